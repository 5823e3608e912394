gapLive.start("triangle", ({ stage, readout, value, say }) => () => {
  const [a, b, degrees] = ["a", "b", "angle"].map(value);
  say("a", a.toFixed(2));
  say("b", b.toFixed(2));
  say("angle", `${degrees}°`);
  const angle = (degrees * Math.PI) / 180;
  const gap = gapMath.gapOfCones(a, b, Math.cos(angle));
  const R = 175;
  const at = (length, turn) => [190 + R * length * Math.sin(turn), 205 - R * length * Math.cos(turn)];
  const [p, q] = [at(Math.sqrt(a), -angle / 2), at(Math.sqrt(b), angle / 2)];
  const wedge = (mean, turn, color) => {
    const half = Math.acos(Math.sqrt(mean));
    return `<path d="M190 205L${at(1, turn - half)}A${R} ${R} 0 0 1 ${at(1, turn + half)}Z" fill="${color}" fill-opacity=".13"/>`;
  };
  const middle = (u, v) => [(u[0] + v[0]) / 2, (u[1] + v[1]) / 2];
  const [mx, my] = middle(p, q);
  stage.innerHTML = `<svg viewBox="-30 0 440 ${degrees > 110 ? 300 : 230}" role="img" aria-label="The triangle of the two means">
    <circle class="gap-line" cx="190" cy="205" r="${R}"/>
    ${wedge(a, -angle / 2, "#0072b2")}${wedge(b, angle / 2, "#d55e00")}
    <path d="M190 205L${p}" stroke="#0072b2" stroke-width="4"/><path d="M190 205L${q}" stroke="#d55e00" stroke-width="4"/>
    <path d="M${p}L${q}" stroke="currentColor" stroke-width="3" stroke-dasharray="6 4"/>
    <circle cx="${p[0]}" cy="${p[1]}" r="6" fill="#0072b2"/><path d="M${q[0]} ${q[1] - 7}l7 7-7 7-7-7z" fill="#d55e00"/>
    <text x="${p[0]}" y="${p[1] - 12}" text-anchor="middle">√a = ${Math.sqrt(a).toFixed(2)}</text>
    <text x="${q[0]}" y="${q[1] - 12}" text-anchor="middle">√b = ${Math.sqrt(b).toFixed(2)}</text>
    <text x="${mx}" y="${my - 12}" text-anchor="middle" font-weight="bold">gap ${gap.toFixed(2)}</text></svg>`;
  readout.textContent = `gap² = a + b − 2√(ab) cos θ = ${a.toFixed(2)} + ${b.toFixed(2)} − ${
    (2 * Math.sqrt(a * b) * Math.cos(angle)).toFixed(2).replace("-", "−")} = ${(gap * gap).toFixed(2)}, so the gap is ${gap.toFixed(2)}.`;
});
