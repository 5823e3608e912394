document.querySelectorAll(".gap-explore:not([data-ready])").forEach((figure) => {
  figure.dataset.ready = "true";
  const captions = figure.dataset.captions.split("|");
  const n = captions.length; // points 0 to n-1 are of the first modality, n to 2n-1 their partners
  const stored = JSON.parse(figure.querySelector(".gap-views")?.textContent ?? "null");
  const plot = figure.querySelector(".gap-plot");
  const svg = plot.querySelector("svg");
  const axes = svg.querySelector(".gap-axes");
  const drawn = [".gap-pairs", ".gap-m0", ".gap-m1"].map((name) => svg.querySelector(`:scope > ${name}`));
  const active = svg.querySelector(".gap-active");
  const [line, ...marks] = active.children;
  const images = figure.querySelectorAll(".gap-image");
  const names = figure.querySelectorAll(".gap-legend span");
  const readout = figure.querySelector(".gap-readout");
  const list = figure.querySelector(".gap-nearest");
  const note = figure.querySelector(".gap-note");
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  let view = stored?.views.find((each) => each.points === figure.dataset.points);
  let points = [];
  let order = [];
  let current = -1;

  const pairsOf = (text) => {
    const flat = text.split(" ").map(Number);
    return Array.from({ length: 2 * n }, (_, i) => [flat[2 * i], flat[2 * i + 1]]);
  };
  const settle = (places) => {
    points = places;
    order = [0, 1].map((m) =>
      Array.from({ length: n }, (_, i) => i + m * n).sort((a, b) => points[a][0] - points[b][0] || a - b));
  };

  const highlight = () => {
    if (current < 0) return;
    const pair = current % n;
    const [a, b] = [points[pair], points[pair + n]];
    line.setAttribute("d", `M${a}L${b}`);
    [a, b].forEach((p, m) => {
      marks[m].setAttribute("transform", `translate(${p})`);
      marks[m].classList.toggle("gap-here", m === Math.floor(current / n));
    });
    active.setAttribute("visibility", "visible");
  };
  const cosine = (hundredths) => (hundredths / 100).toFixed(2).replace("-", "\u2212");
  const sides = () => view?.modalities ?? figure.dataset.modalities.split("|");
  const label = () => {
    sides().forEach((name, m) => { names[m].lastChild.textContent = name; });
    figure.querySelectorAll("[data-modality]").forEach((tile) => {
      tile.hidden = !sides().includes(tile.dataset.modality);
    });
  };
  const describe = () => {
    if (current < 0) return;
    const modalities = sides();
    const pair = current % n;
    const modality = Math.floor(current / n);
    const other = modalities[1 - modality];
    const found = stored?.matches[view.matches];
    list.replaceChildren();
    if (!found) {
      readout.textContent = `${captions[pair]}\n(its ${modalities[modality]}; the line leads to its ${other})`;
      return;
    }
    readout.textContent =
      `${captions[pair]}\n(its ${modalities[modality]}; cosine ${cosine(found.cosines[pair])} with its ${other}, `
      + `which comes at rank ${found.ranks[current]} of ${found.n})`;
    const title = document.createElement("p");
    title.textContent = `The five nearest ${other}s:`;
    const items = document.createElement("ol");
    for (let i = 5 * current; i < 5 * current + 5; i += 1) {
      const item = document.createElement("li");
      const name = stored.candidates[found.nearest[i]];
      item.textContent = `${name} ${cosine(found.nearestCosines[i])}`;
      if (name === captions[pair]) item.className = "gap-partner";
      items.append(item);
    }
    list.append(title, items);
  };

  const show = (point) => {
    if (point === current) return;
    current = point;
    const pair = point % n;
    figure.dataset.active = pair;
    highlight();
    images.forEach((image) => {
      const { columns, rows } = image.dataset;
      const share = (i, of) => (of > 1 ? (100 * i) / (of - 1) : 0);
      image.style.backgroundSize = `${columns * 100}% ${rows * 100}%`;
      image.style.backgroundPosition = `${share(pair % columns, columns)}% ${share(Math.floor(pair / columns), rows)}%`;
    });
    figure.dispatchEvent(new CustomEvent("gap-show"));
    describe();
  };

  // other views of the same pairs: marks glide to their new places
  const draw = (places) => {
    const join = (from, to, mark) => places.slice(from, to).map(mark).join("");
    drawn[0].setAttribute("d", join(0, n, (a, i) => `M${a}L${places[i + n]}`));
    drawn[1].setAttribute("d", join(0, n, ([x, y]) => `M${x} ${y}h0`));
    drawn[2].setAttribute("d", join(n, 2 * n, ([x, y]) => `M${x} ${y}m-5 0l5-5 5 5-5 5z`));
  };
  let glide = 0;
  const move = (target) => {
    cancelAnimationFrame(glide);
    const start = points;
    settle(target);
    highlight();
    if (still.matches) return draw(target);
    const began = performance.now();
    const step = (now) => {
      const share = Math.min(1, Math.max(0, (now - began) / 300));
      const eased = share * (2 - share);
      draw(target.map(([x, y], i) => [
        Math.round(start[i][0] + eased * (x - start[i][0])),
        Math.round(start[i][1] + eased * (y - start[i][1]))]));
      if (share < 1) glide = requestAnimationFrame(step);
    };
    glide = requestAnimationFrame(step);
  };
  const controls = [...figure.querySelectorAll(".gap-choices :is(select,input)")];
  const play = figure.querySelector(".gap-play");
  const choose = () => {
    controls.forEach((control) => {
      if (control.type !== "range") return;
      const text = control.dataset.values.split("|")[control.value];
      control.setAttribute("aria-valuetext", text);
      control.nextElementSibling.textContent = text;
    });
    const at = controls.map((control) => Number(control.value));
    const chosen = stored.views.find((each) => each.at.every((place, i) => place === at[i]));
    if (chosen === view) return;
    view = chosen;
    figure.dataset.points = view.points;
    axes.innerHTML = view.frame;
    svg.setAttribute("aria-label", view.alt);
    note.textContent = view.note;
    move(pairsOf(view.points));
    label();
    describe();
  };
  let timer = null;
  const stop = () => {
    clearInterval(timer);
    timer = null;
    if (play) play.textContent = "Play";
  };
  controls.forEach((control) => control.addEventListener("input", () => { stop(); choose(); }));
  play?.addEventListener("click", () => {
    if (timer) return stop();
    const last = controls[controls.length - 1];
    if (last.value === last.max) last.value = 0;
    choose();
    play.textContent = "Pause";
    timer = setInterval(() => {
      last.value = Number(last.value) + 1;
      choose();
      if (last.value === last.max) stop();
    }, 450);
  });

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
  settle(pairsOf(figure.dataset.points));
  label();
  plot.tabIndex = 0;
  figure.querySelector(".gap-card").hidden = false;
  const choices = figure.querySelector(".gap-choices");
  if (choices) choices.hidden = false;
});
