document.querySelectorAll(".gap-frames:not([data-ready])").forEach((figure) => {
  figure.dataset.ready = "true";
  const images = [...figure.querySelectorAll("img")];
  const sliders = [...figure.querySelectorAll("input")];
  const play = figure.querySelector(".gap-play");
  const values = sliders.map((slider) => slider.dataset.values.split("|"));
  const show = () => {
    const at = sliders.reduce((row, slider, i) => row * values[i].length + Number(slider.value), 0);
    images.forEach((image, i) => { image.hidden = i !== at; });
    sliders.forEach((slider, i) => {
      const text = values[i][slider.value];
      slider.setAttribute("aria-valuetext", text);
      slider.nextElementSibling.textContent = text;
    });
  };
  // on a page each frame is a file: all are fetched before the first move
  const fetchAll = () => images.forEach((image) => { image.loading = "eager"; });
  ["pointerenter", "focusin", "touchstart"].forEach(
    (event) => figure.addEventListener(event, fetchAll, { once: true, passive: true }));
  let timer = null;
  const stop = () => {
    clearInterval(timer);
    timer = null;
    if (play) play.textContent = "Play";
  };
  sliders.forEach((slider) => slider.addEventListener("input", () => { stop(); show(); }));
  play?.addEventListener("click", () => {
    if (timer) return stop();
    const slider = sliders[0];
    if (slider.value === slider.max) slider.value = 0;
    show();
    play.textContent = "Pause";
    timer = setInterval(() => {
      slider.value = Number(slider.value) + 1;
      show();
      if (slider.value === slider.max) stop();
    }, 400);
  });
  figure.querySelector(".gap-controls").hidden = false;
  show();
});
