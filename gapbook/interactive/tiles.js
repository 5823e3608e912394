document.querySelectorAll(".gap-explore:not([data-tiles])").forEach((figure) => {
  const tiles = figure.querySelector(".gap-tiles");
  if (!tiles) return;
  figure.dataset.tiles = "true";
  const captions = figure.dataset.captions.split("|");
  const [pen, places] = tiles.querySelectorAll(".gap-outline path");
  const outlines = tiles.querySelector(".gap-outline")?.dataset.outlines.split("|");
  const name = tiles.querySelector(".gap-name");
  const hear = tiles.querySelector(".gap-hear");
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let pair = 0;

  // the pen walks along the outline, step by step
  let walk = 0;
  const trace = () => {
    cancelAnimationFrame(walk);
    const steps = outlines[pair].match(/M?\d+ \d+/g);
    const draw = (count) => {
      pen.setAttribute("d", steps.slice(0, count).join(" "));
      places.setAttribute("d", steps.slice(0, count).map((step) => `M${step.replace("M", "")}h0`).join(""));
    };
    if (still.matches) return draw(steps.length);
    const began = performance.now();
    const frame = (now) => {
      const count = Math.min(steps.length, 1 + Math.floor(Math.max(0, now - began) / 25));
      draw(count);
      if (count < steps.length) walk = requestAnimationFrame(frame);
    };
    walk = requestAnimationFrame(frame);
  };

  // levels are read from the sheet of spectrograms when a sound is first heard
  const picture = tiles.querySelector("[data-sheet]");
  const address = picture && `data:image/png;base64,${picture.dataset.sheet}`;
  if (picture) picture.style.backgroundImage = `url(${address})`;
  let sheet = null;
  let context = null;
  let playing = null;
  const readSheet = async () => {
    const image = new Image();
    image.src = address;
    await image.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [image.width, image.height];
    const ink = canvas.getContext("2d", { willReadFrequently: true });
    ink.drawImage(image, 0, 0);
    return ink;
  };
  const play = async () => {
    context ??= new AudioContext();
    context.resume();
    sheet ??= await readSheet();
    const { columns, rows } = picture.dataset;
    const width = sheet.canvas.width / columns;
    const height = sheet.canvas.height / rows;
    const levels = sheet.getImageData(
      (pair % columns) * width, Math.floor(pair / columns) * height, width, height).data;
    const level = (frame, band) => levels[4 * ((height - 1 - band) * width + frame)];
    const frames = Array.from({ length: width }, (_, frame) =>
      Array.from({ length: height }, (_, band) => level(frame, band)));
    // 0 stands for what comes after the end
    const spoken = frames.filter((frame) => frame.some((value) => value > 0));
    const voice = JSON.parse(hear.dataset.voice);
    const sound = gapSound.samples(spoken, voice, voice.rate);
    const buffer = context.createBuffer(1, sound.length, voice.rate);
    buffer.copyToChannel(sound, 0);
    playing?.stop();
    playing = context.createBufferSource();
    playing.buffer = buffer;
    playing.connect(context.destination);
    playing.start();
  };
  hear?.addEventListener("click", play);

  const show = () => {
    pair = Number(figure.dataset.active);
    if (outlines) trace();
    if (name) name.textContent = captions[pair];
  };
  figure.addEventListener("gap-show", show);
});
