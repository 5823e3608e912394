// A sound of the bands that a model hears, without a drawing; a test takes its bands again.
window.gapSound ??= (() => {
  // Tones about so many hertz apart fill a band: nearer ones beat within a frame.
  const APART = 60;
  const samples = (frames, { corners, seconds, nats }, rate) => {
    const n = frames.length;
    const sound = new Float32Array(Math.round((n + 1) * seconds * rate));
    // a frame listens for twice the time between frames, and its middle is where it belongs
    const place = (i) => Math.min(Math.max(i / rate / seconds - 1, 0), n - 1);
    let drawn = 0;
    const draw = () => { drawn = (drawn + 0.6180339887) % 1; return drawn; };
    for (let band = 0; band + 2 < corners.length; band += 1) {
      const low = (corners[band] + corners[band + 1]) / 2;
      const high = (corners[band + 1] + corners[band + 2]) / 2;
      const count = Math.max(1, Math.round((high - low) / APART));
      const power = frames.map((frame) => Math.exp(frame[band] * nats / 2) / Math.sqrt(count));
      for (let tone = 0; tone < count; tone += 1) {
        const hertz = low + (high - low) * (tone + 0.2 + 0.6 * draw()) / count;
        const turn = 2 * Math.PI * hertz / rate;
        const phase = 2 * Math.PI * draw();
        // each sample of a tone follows from the two before it
        const factor = 2 * Math.cos(turn);
        let [before, now] = [Math.sin(phase - turn), Math.sin(phase)];
        for (let i = 0; i < sound.length; i += 1) {
          const at = place(i);
          const left = Math.floor(at);
          const right = Math.min(left + 1, n - 1);
          sound[i] += now * (power[left] + (at - left) * (power[right] - power[left]));
          [before, now] = [now, factor * now - before];
        }
      }
    }
    let loudest = 0;
    sound.forEach((value) => { loudest = Math.max(loudest, Math.abs(value)); });
    return sound.map((value) => 0.8 * value / loudest);
  };
  return { samples };
})();
