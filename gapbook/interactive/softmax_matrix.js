gapLive.start("softmax", ({ figure, stage, readout, value, say }) => {
  const { cosines, names, columns, rows, chosen } = JSON.parse(figure.dataset.values);
  const sheet = figure.querySelector(".gap-sheet").style.backgroundImage;
  const share = (i, of) => (of > 1 ? (100 * i) / (of - 1) : 0);
  const glyph = (i) => `<span class="gap-glyph" role="img" aria-label="${names[i]}" style='background-image:${sheet};`
    + `background-size:${columns * 100}% ${rows * 100}%;background-position:${share(i % columns, columns)}% ${share(Math.floor(i / columns), rows)}%'></span>`;
  const choices = figure.querySelector(".gap-choices");
  choices.hidden = false;
  choices.innerHTML = names.map((name, i) => `<button type="button" data-i="${i}">${glyph(i)}</button>`).join("");
  // ages of the choices: the oldest makes room for a new one
  const ages = [...chosen];
  const draw = () => {
    const tau = value("tau");
    const add = value("add") ? 0.3 : 0;
    say("tau", gapLive.tau(tau));
    const at = chosen.map((i) => chosen.map((j) => cosines[i][j] + add));
    const by = at.map((row) => gapMath.softmax(row, tau));
    const cell = (p, cosine, own) => `<td style="background:rgba(0,114,178,${(0.75 * p).toFixed(3)})${own ? ";outline:2px solid #d55e00" : ""}">`
      + `${Math.round(100 * p)}%<small>${cosine.toFixed(2).replace("-", "−")}</small></td>`;
    const head = chosen.map((_, j) => `<th scope="col">${j + 1}</th>`).join("");
    const body = chosen.map((i, k) => `<tr><th scope="row">${glyph(i)}</th>${
      by[k].map((p, j) => cell(p, at[k][j], j === k)).join("")}</tr>`).join("");
    const list = chosen.map((i) => `<li>${names[i]}</li>`).join("");
    stage.innerHTML = `<table><thead><tr><th></th>${head}</tr></thead><tbody>${body}</tbody></table><ol>${list}</ol>`;
    choices.querySelectorAll("button").forEach((button, i) =>
      button.setAttribute("aria-pressed", String(chosen.includes(i))));
    const partner = by.map((row, k) => row[k]);
    const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
    readout.textContent = `At temperature ${gapLive.tau(tau)} an image gives its own caption ${
      Math.round(100 * mean(partner))}% on average; the loss is ${mean(partner.map((p) => -Math.log(p))).toFixed(2)}${
      add ? ". Adding 0.3 to all cosines changes no probability" : ""}.`;
  };
  choices.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    const i = button ? Number(button.dataset.i) : -1;
    if (i < 0 || chosen.includes(i)) return;
    chosen[chosen.indexOf(ages.shift())] = i;
    ages.push(i);
    draw();
  });
  return draw;
});
