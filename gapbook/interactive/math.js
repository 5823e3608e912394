// The mathematics of the figures, without a drawing; tests hold it to NumPy and gapbook.simulation.
window.gapMath ??= (() => {
  const dot = (a, b) => a.reduce((sum, value, i) => sum + value * b[i], 0);
  const unit = (a) => { const n = Math.sqrt(dot(a, a)); return a.map((v) => v / n); };
  const sum = (values) => values.reduce((a, b) => a + b, 0);
  const mean = (rows) => rows[0].map((_, j) => sum(rows.map((row) => row[j])) / rows.length);
  const gap = (x, y) => {
    const [a, b] = [mean(x), mean(y)];
    return Math.sqrt(sum(a.map((value, i) => (value - b[i]) ** 2)));
  };
  const logGamma = (x) => {
    const c = [76.18009172947146, -86.50532032941677, 24.01409824083091, -1.231739572450155,
      0.1208650973866179e-2, -0.5395239384953e-5];
    let series = 1.000000000190015;
    c.forEach((value, i) => { series += value / (x + 1 + i); });
    return (x + 0.5) * Math.log(x + 5.5) - x - 5.5 + Math.log(2.5066282746310005 * series / x);
  };
  // Unit vectors around an axis in d dimensions, of mean cosine c: how often two have a cosine.
  const coneDensity = (cosine, c, d) => {
    const t = (cosine - c) / (1 - c);
    if (Math.abs(t) >= 1) return 0;
    const m = d - 1;
    const logBeta = logGamma(0.5) + logGamma((m - 1) / 2) - logGamma(m / 2);
    return Math.exp((m - 3) / 2 * Math.log(1 - t * t) - logBeta) / (1 - c);
  };
  const coneSd = (c, d) => (1 - c) / Math.sqrt(d - 1);
  const gapOfCones = (a, b, cosine) => Math.sqrt(Math.max(0, a + b - 2 * Math.sqrt(a * b) * cosine));
  const softmax = (cosines, tau) => {
    const most = Math.max(...cosines);
    const weights = cosines.map((value) => Math.exp((value - most) / tau));
    const total = sum(weights);
    return weights.map((weight) => weight / total);
  };
  const transpose = (rows) => rows[0].map((_, j) => rows.map((row) => row[j]));
  const shares = (n, mismatched) => Array.from({ length: n }, (_, i) =>
    Array.from({ length: n }, (_, j) => (i === j ? 1 - mismatched : mismatched / (n - 1))));
  // Loss and gradients of the symmetric loss, as gapbook.simulation.free_vectors has them.
  const slope = (x, y, tau, mismatched) => {
    const n = x.length;
    const s = 1 / tau;
    const target = shares(n, mismatched);
    const cosines = x.map((a) => y.map((b) => dot(a, b)));
    const weights = cosines.map((row) => row.map((value) => Math.exp(s * (value - 1))));
    const rowSums = weights.map(sum);
    const columnSums = transpose(weights).map(sum);
    const logs = (sum(rowSums.map(Math.log)) + sum(columnSums.map(Math.log))) / (2 * n);
    const hit = sum(cosines.map((row, i) => dot(row, target[i]))) / n;
    const byRow = weights.map((row, i) => row.map((w) => w / rowSums[i]));
    const byColumn = weights.map((row) => row.map((w, j) => w / columnSums[j]));
    // rows and columns add up to 0, and the diagonal comes from the rest, to be exact
    const off = (p) => p.map((row, i) => row.map((v, j) => (i === j ? 0 : v - target[i][j])));
    const [rows, columns] = [off(byRow), off(byColumn)];
    const g = rows.map((row, i) => row.map((v, j) => (i === j
      ? -(sum(row) + sum(columns.map((other) => other[i]))) / 2 : (v + columns[i][j]) / 2)));
    const pull = (own, others, by) => own.map((v, i) => {
      const raw = v.map((_, k) => s * sum(others.map((other, j) => by(i, j) * other[k])));
      const along = dot(raw, v);
      return raw.map((value, k) => value - along * v[k]);
    });
    const spread = (p) => Math.max(...p.map((row) => sum(row.map((v) => v * (1 - v)))));
    return {
      loss: logs + s * (1 - hit),
      x: pull(x, y, (i, j) => g[i][j]),
      y: pull(y, x, (i, j) => g[j][i]),
      curvature: Math.max(spread(byRow), spread(transpose(byColumn))),
      cosines,
    };
  };
  // One Euler step of gradient flow, half of what the curvature allows.
  const step = (x, y, tau, mismatched) => {
    const now = slope(x, y, tau, mismatched);
    const dt = 0.5 * tau * tau / now.curvature;
    const move = (rows, by) => rows.map((row, i) => unit(row.map((v, k) => v - dt * by[i][k])));
    return { x: move(x, now.x), y: move(y, now.y), loss: now.loss };
  };
  return { unit, gap, coneDensity, coneSd, gapOfCones, softmax, slope, step };
})();
