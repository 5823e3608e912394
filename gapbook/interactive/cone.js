gapLive.start("cone", ({ stage, readout, value, say }) => () => {
  const c = value("cosine");
  const d = Math.round(value("dimension"));
  say("cosine", c.toFixed(2));
  say("dimension", String(d));
  const R = 115;
  const [h, r] = [Math.sqrt(c), Math.sqrt(1 - c)];
  const point = (angle) => `${160 + R * r * Math.cos(angle)} ${150 - R * (h - 0.28 * r * Math.sin(angle))}`;
  const angles = Array.from({ length: 24 }, (_, i) => (i * Math.PI) / 12);
  const rays = angles.map((angle) => `M160 150L${point(angle)}`).join("");
  const dots = angles.map((angle) => `<circle cx="${point(angle).replace(" ", '" cy="')}" r="4"/>`).join("");
  const left = `<svg viewBox="0 0 320 290" role="img" aria-label="The cone">
    <circle class="gap-line" cx="160" cy="150" r="${R}"/><path class="gap-line" d="${rays}"/>
    <g fill="#0072b2">${dots}</g><path d="M160 150V${150 - R * h}" stroke="#d55e00" stroke-width="4"/>
    <text x="160" y="172" text-anchor="middle">mean of length ${h.toFixed(2)}</text></svg>`;
  const xs = Array.from({ length: 401 }, (_, i) => -1 + i / 200);
  const ys = xs.map((x) => gapMath.coneDensity(x, c, d));
  const top = Math.max(...ys.filter((y) => y < 60), 0.1);
  const place = (x, y) => `${(30 + 130 * (x + 1)).toFixed(1)} ${(235 - 190 * Math.min(1, y / top)).toFixed(1)}`;
  const curve = xs.map((x, i) => place(x, ys[i])).join("L");
  const ticks = [-1, -0.5, 0, 0.5, 1].map((x) =>
    `<text x="${30 + 130 * (x + 1)}" y="252" text-anchor="middle">${String(x).replace("-", "−")}</text>`).join("");
  const right = `<svg viewBox="0 0 320 290" role="img" aria-label="How often two vectors have a cosine">
    <path class="gap-line" d="M30 235H290M${place(c, 0)}V30"/><path d="M${curve}" fill="#0072b255" stroke="#0072b2" stroke-width="2"/>
    ${ticks}<text x="160" y="274" text-anchor="middle">cosine of two vectors</text>
    <text x="${30 + 130 * (c + 1)}" y="24" text-anchor="middle">mean ${c.toFixed(2)}</text></svg>`;
  stage.innerHTML = left + right;
  const degrees = (cosine) => ((Math.acos(cosine) * 180) / Math.PI).toFixed(0);
  readout.textContent = `Each vector is ${degrees(h)}° from the axis, and two are ${degrees(c)}° apart on average; `
    + `in ${d} dimensions their cosines spread by ${gapMath.coneSd(c, d).toFixed(2)} around ${c.toFixed(2)}.`;
});
