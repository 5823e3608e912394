gapLive.start("free", ({ figure, stage, readout, value, say }) => {
  const starts = JSON.parse(figure.dataset.starts);
  const limit = Number(figure.dataset.steps);
  const [ball, plot] = ["Vectors on the sphere; arrow keys turn it", "Gap after each step"].map((name) => {
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", name);
    [canvas.width, canvas.height] = [640, 560];
    canvas.style.aspectRatio = "640 / 560";
    stage.append(canvas);
    return canvas;
  });
  ball.tabIndex = 0;
  ball.style.touchAction = "pan-y";
  let [x, y, loss, history, turn, tilt, running] = [[], [], 0, [], 0.5, 0.35, false];
  const run = figure.querySelector(".gap-run");
  const view = ([a, b, c]) => {
    const [u, v] = [a * Math.cos(turn) - b * Math.sin(turn), a * Math.sin(turn) + b * Math.cos(turn)];
    return [u, c * Math.cos(tilt) - v * Math.sin(tilt), c * Math.sin(tilt) + v * Math.cos(tilt)];
  };
  const drawBall = (ink) => {
    const g = ball.getContext("2d");
    const place = (p) => [320 + 250 * p[0], 280 - 250 * p[1]];
    g.clearRect(0, 0, 640, 560);
    g.lineWidth = 2;
    g.strokeStyle = ink;
    g.globalAlpha = 0.35;
    g.beginPath();
    g.arc(320, 280, 250, 0, 7);
    g.stroke();
    const [seenX, seenY] = [x.map(view), y.map(view)];
    seenX.forEach((p, i) => {
      g.globalAlpha = 0.25;
      g.beginPath();
      g.moveTo(...place(p));
      g.lineTo(...place(seenY[i]));
      g.stroke();
    });
    const marks = [...seenX.map((p) => [p, true]), ...seenY.map((p) => [p, false])].sort((a, b) => a[0][2] - b[0][2]);
    marks.forEach(([p, isImage]) => {
      const [u, v] = place(p);
      g.globalAlpha = p[2] > 0 ? 1 : 0.4;
      g.fillStyle = isImage ? "#0072b2" : "#d55e00";
      g.beginPath();
      if (isImage) g.arc(u, v, 9, 0, 7);
      else [[0, -12], [12, 0], [0, 12], [-12, 0]].forEach(([a, b]) => g.lineTo(u + a, v + b));
      g.fill();
    });
    g.globalAlpha = 1;
  };
  const drawPlot = (ink) => {
    const g = plot.getContext("2d");
    const place = (step, gap) => [70 + (540 * Math.log(1 + step)) / Math.log(1 + limit), 480 - 220 * gap];
    g.clearRect(0, 0, 640, 560);
    g.font = "26px system-ui, sans-serif";
    g.fillStyle = ink;
    g.strokeStyle = ink;
    g.textAlign = "right";
    [0, 0.5, 1, 1.5, 2].forEach((gap) => {
      const at = place(0, gap)[1];
      g.globalAlpha = 1;
      g.fillText(String(gap), 60, at + 9);
      g.globalAlpha = 0.2;
      g.fillRect(70, at, 540, 1);
    });
    g.globalAlpha = 1;
    g.textAlign = "center";
    [0, 10, 100, 1000].forEach((step) => g.fillText(String(step), place(step, 0)[0], 512));
    g.fillText("step", 340, 548);
    g.textAlign = "left";
    g.fillText("gap", 80, 26);
    g.lineWidth = 5;
    g.strokeStyle = "#009e73";
    g.beginPath();
    history.forEach((gap, step) => g.lineTo(...place(step, gap)));
    g.stroke();
  };
  const draw = (aloud) => {
    const ink = getComputedStyle(figure).color;
    drawBall(ink);
    drawPlot(ink);
    readout.setAttribute("aria-live", aloud ? "polite" : "off");
    readout.textContent = `Step ${history.length - 1}: the gap is ${history.at(-1).toFixed(2)}, the loss ${loss.toFixed(2)}.`;
  };
  const settings = () => [value("tau"), value("mismatched")];
  const reset = () => {
    [x, y] = starts[value("start")].map((rows) => rows.map(gapMath.unit));
    loss = gapMath.slope(x, y, ...settings()).loss;
    history = [gapMath.gap(x, y)];
  };
  const advance = (count) => {
    for (let i = 0; i < count && history.length <= limit; i += 1) {
      ({ x, y, loss } = gapMath.step(x, y, ...settings()));
      history.push(gapMath.gap(x, y));
    }
  };
  const pause = () => {
    running = false;
    run.textContent = "Run";
  };
  const frame = () => {
    if (!running || !figure.isConnected) return;
    advance(history.length < 60 ? 1 : 5);
    if (history.length > limit) pause();
    draw(!running);
    if (running) requestAnimationFrame(frame);
  };
  run.addEventListener("click", () => {
    if (running) { pause(); draw(true); return; }
    if (history.length > limit) reset();
    running = true;
    run.textContent = "Pause";
    requestAnimationFrame(frame);
  });
  figure.querySelector(".gap-step").addEventListener("click", () => {
    pause();
    advance(history.length < 50 ? 10 : 100);
    draw(true);
  });
  figure.querySelector(".gap-reset").addEventListener("click", () => { pause(); reset(); draw(true); });
  const rotate = (by, up) => {
    turn += by;
    tilt = Math.min(1.5, Math.max(-1.5, tilt + up));
    drawBall(getComputedStyle(figure).color);
  };
  ball.addEventListener("pointermove", (event) => { if (event.buttons) rotate(event.movementX / 120, event.movementY / 120); });
  ball.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: [-0.2, 0], ArrowRight: [0.2, 0], ArrowUp: [0, -0.15], ArrowDown: [0, 0.15] }[event.key];
    if (!by) return;
    event.preventDefault();
    event.stopPropagation();
    rotate(...by);
  });
  return (event) => {
    say("tau", gapLive.tau(value("tau")));
    say("mismatched", `${Math.round(100 * value("mismatched"))}%`);
    if (!event || event.target.name === "start") { pause(); reset(); }
    draw(false);
  };
});
