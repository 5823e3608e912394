document.querySelectorAll(".gap-explore:not([data-ready])").forEach((figure) => {
  figure.dataset.ready = "true";
  const flat = figure.dataset.points.split(" ").map(Number);
  const captions = figure.dataset.captions.split("|");
  const modalities = figure.dataset.modalities.split("|");
  const n = captions.length; // points 0 to n-1 are of the first modality, n to 2n-1 their partners
  const points = Array.from({ length: 2 * n }, (_, i) => [flat[2 * i], flat[2 * i + 1]]);
  const order = [0, 1].map((m) =>
    Array.from({ length: n }, (_, i) => i + m * n).sort((a, b) => points[a][0] - points[b][0] || a - b));
  const plot = figure.querySelector(".gap-plot");
  const svg = plot.querySelector("svg");
  const active = svg.querySelector(".gap-active");
  const [line, ...marks] = active.children;
  const image = figure.querySelector(".gap-image");
  const readout = figure.querySelector(".gap-card p");
  let current = -1;

  const show = (point) => {
    if (point === current) return;
    current = point;
    const pair = point % n;
    const modality = Math.floor(point / n);
    const [a, b] = [points[pair], points[pair + n]];
    line.setAttribute("d", `M${a}L${b}`);
    [a, b].forEach((p, m) => {
      marks[m].setAttribute("transform", `translate(${p})`);
      marks[m].classList.toggle("gap-here", m === modality);
    });
    active.setAttribute("visibility", "visible");
    figure.dataset.active = pair;
    if (image) {
      const { columns, rows } = image.dataset;
      const share = (i, of) => (of > 1 ? (100 * i) / (of - 1) : 0);
      image.style.backgroundSize = `${columns * 100}% ${rows * 100}%`;
      image.style.backgroundPosition = `${share(pair % columns, columns)}% ${share(Math.floor(pair / columns), rows)}%`;
    }
    readout.textContent = `${captions[pair]}\n(its ${modalities[modality]}; the line leads to its ${modalities[1 - modality]})`;
  };

  const nearest = (event) => {
    const box = svg.getBoundingClientRect();
    const scale = svg.viewBox.baseVal.width / box.width;
    const [x, y] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    const squared = points.map(([px, py]) => (px - x) ** 2 + (py - y) ** 2);
    const best = squared.indexOf(Math.min(...squared));
    return Math.sqrt(squared[best]) <= 24 * scale ? best : -1;
  };
  const point = (event) => {
    const found = nearest(event);
    if (found >= 0) show(found);
  };
  plot.addEventListener("pointermove", point);
  plot.addEventListener("pointerdown", point);

  plot.addEventListener("keydown", (event) => {
    const row = order[current < n ? 0 : 1];
    const at = row.indexOf(current);
    const step = {
      ArrowRight: () => row[Math.min(at + 1, n - 1)],
      ArrowLeft: () => row[Math.max(at - 1, 0)],
      ArrowUp: () => (current < 0 ? row[0] : (current + n) % (2 * n)),
      ArrowDown: () => (current < 0 ? row[0] : (current + n) % (2 * n)),
      Home: () => row[0],
      End: () => row[n - 1],
    }[event.key];
    if (!step || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    event.stopPropagation();
    show(step());
  });
  plot.tabIndex = 0;
  figure.querySelector(".gap-card").hidden = false;
});
