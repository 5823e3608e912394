// What all figures that compute share: they take the place of their picture, and answer controls.
window.gapLive ??= {
  start(kind, setUp) {
    document.querySelectorAll(`.gap-live.gap-${kind}:not([data-ready])`).forEach((figure) => {
      figure.dataset.ready = "true";
      const control = (name) => figure.querySelector(`[name=${name}]`);
      const value = (name) => {
        const input = control(name);
        if (input.type === "checkbox") return input.checked;
        if (input.tagName === "SELECT") return input.value;
        return "log" in input.dataset ? 10 ** input.value : Number(input.value);
      };
      const say = (name, text) => {
        control(name).nextElementSibling.textContent = text;
        control(name).setAttribute("aria-valuetext", text);
      };
      const stage = figure.querySelector(".gap-stage");
      const readout = figure.querySelector(".gap-readout");
      figure.querySelector(".gap-fallback").hidden = true;
      [stage, readout, figure.querySelector(".gap-controls")].forEach((part) => { part.hidden = false; });
      const draw = setUp({ figure, stage, readout, control, value, say });
      figure.querySelector(".gap-controls").addEventListener("input", (event) => draw(event));
      draw();
    });
  },
  tau: (value) => (value > 0.95 ? "1" : `1/${Math.round(1 / value)}`),
};
