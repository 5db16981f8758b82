/* The live page: asks for what is new twice a second, while it is in sight. */
const rows = [];
let last = 0, latest = {}, names = [], surface = null, picture = 0, busy = null, waiting = false, paused = false;
$("title").textContent = DATA.title;
$("graph").href = "/graph?token=" + encodeURIComponent(DATA.token);
const ask = (path, about = {}) => fetch(path, {...about, headers: {"X-Token": DATA.token}, cache: "no-store"});
const PALETTE = ["#27599f", "#c2571a", "#2c7a43", "#8d3fb0", "#a8322a", "#3a8f9e", "#a8731a", "#6b7785"];
const DARK = ["#86b4f2", "#f0a06a", "#6fd08c", "#c49cf0", "#f09a92", "#6fc6d4", "#e6b85c", "#a9b4c0"];
const palette = () => matchMedia("(prefers-color-scheme: dark)").matches ? DARK : PALETTE;
const FEW = 60;
const real = v => typeof v === "number" && isFinite(v);
function ticks(low, high, n) {
  const raw = (high - low) / n, p = 10 ** Math.floor(Math.log10(raw)), s = [1, 2, 5, 10].find(k => k * p >= raw) * p, out = [];
  for (let v = Math.ceil(low / s) * s; v <= high + s * 1e-6; v += s) out.push(Math.abs(v) < s * 1e-6 ? 0 : v);
  return out;
}
/* lines: [{points: [[x, y]], color, width}]; logarithmic where the numbers span decades */
function chart(box, lines, label, height = 190) {
  const ys = lines.flatMap(l => l.points.map(p => p[1])).filter(real);
  if (!ys.length) { box.replaceChildren(el("div", {class: "empty"}, say("nothing yet"))); return; }
  const W = Math.max(200, box.clientWidth), H = height, [c, g] = canvas(W, H, label);
  let low = ys[0], high = ys[0], x0 = rows[0].step, x1 = rows[rows.length - 1].step;
  for (const y of ys) { low = Math.min(low, y); high = Math.max(high, y); }
  const log = low > 0 && high / low > 30, f = log ? Math.log10 : v => v;
  low = f(low); high = f(high);
  if (!(high - low > 1e-12)) { const d = Math.abs(high) * .1 || 1; low -= d; high += d; }
  const m = (high - low) * .06; low -= m; high += m;
  if (x1 === x0) x1 = x0 + 1;
  const L = 52, R = 8, T = 6, B = 20, X = x => L + (W - L - R) * (x - x0) / (x1 - x0), Y = y => H - B - (H - T - B) * (f(y) - low) / (high - low);
  g.font = "11px system-ui,sans-serif"; g.fillStyle = style("--soft"); g.strokeStyle = style("--rule"); g.lineWidth = 1;
  g.textAlign = "right"; g.textBaseline = "middle";
  let marks = ticks(low, high, 4);
  if (log) { marks = []; for (let k = Math.ceil(low); k <= high; k++) marks.push(k); if (marks.length < 2) marks = ticks(low, high, 3); }
  for (const v of marks) {
    const y = H - B - (H - T - B) * (v - low) / (high - low);
    g.beginPath(); g.moveTo(L, y); g.lineTo(W - R, y); g.stroke();
    g.fillText(num(log ? 10 ** v : v, Math.min(9, 2 + Math.max(0, Math.ceil(Math.log10(Math.max(Math.abs(low), Math.abs(high)) / (high - low)))))), L - 6, y);
  }
  g.textAlign = "center"; g.textBaseline = "alphabetic";
  for (const v of ticks(x0, x1, Math.max(2, W / 120))) g.fillText(num(v), X(v), H - 5);
  for (const l of lines) {
    g.strokeStyle = l.color; g.globalAlpha = l.alpha || 1; g.lineWidth = l.width || 1.6; g.lineJoin = "round";
    g.beginPath();
    let on = false;
    for (const [x, y] of l.points) { if (!real(y) || log && y <= 0) { on = false; continue; } on ? g.lineTo(X(x), Y(y)) : g.moveTo(X(x), Y(y)); on = true; }
    g.stroke();
    /* few enough to be told apart: between them nobody looked */
    if (l.points.length <= FEW && !l.through) for (const [x, y] of l.points) if (real(y) && !(log && y <= 0)) { g.fillStyle = l.color; g.beginPath(); g.arc(X(x), Y(y), 2.3, 0, 7); g.fill(); }
  }
  g.globalAlpha = 1;
  box.replaceChildren(c);
}
/* A running mean; what was long ago, by the usual distance of two points, counts less. */
function smooth(points) {
  const seen = points.filter(p => real(p[1])), gaps = seen.slice(1).map((p, i) => p[0] - seen[i][0]).sort((a, b) => a - b), usual = gaps[gaps.length >> 1] || 1;
  let s = null, last = 0;
  return seen.map(([x, y]) => { const kept = s === null ? 0 : .75 ** ((x - last) / usual); last = x; return [x, s = s === null ? y : kept * s + (1 - kept) * y]; });
}
function draw() {
  const colors = palette(), full = rows.filter(r => r.gradient !== null), tail = rows[rows.length - 1] || {};
  const loss = rows.filter(r => r.loss !== null).map(r => [r.step, r.loss]);
  const metrics = [...new Set(rows.flatMap(r => Object.keys(r.metrics || {})))];
  chart($("loss"), [{points: loss, color: colors[0], alpha: .4, width: 1.2}, {points: smooth(loss), color: colors[0], width: 2.4, through: true}, ...metrics.map((k, i) => ({points: rows.filter(r => r.metrics && k in r.metrics).map(r => [r.step, r.metrics[k]]), color: colors[1 + i % 7]}))], say("loss by step"), 230);
  $("loss-now").textContent = [num(tail.loss), ...metrics.map(k => `${k} ${num((tail.metrics || {})[k])}`)].join("   ");
  const groups = Math.max(0, ...rows.map(r => r.lr.length));
  chart($("lr"), [...Array(Math.min(groups, 8)).keys()].map(i => ({points: rows.map(r => [r.step, r.lr[i]]), color: colors[i]})), say("learning rate by step"));
  $("lr-now").textContent = (tail.lr || []).slice(0, 3).map(v => num(v)).join("  ");
  chart($("gradient"), [{points: full.map(r => [r.step, r.gradient]), color: colors[2]}], say("gradient norm by step"));
  $("gradient-now").textContent = num((full[full.length - 1] || {}).gradient);
  const shown = names.map((n, i) => [n, i]).filter(([n, i]) => !n.endsWith("bias")).slice(0, 8);
  chart($("ratios"), shown.map(([n, i], k) => ({points: full.map(r => [r.step, r.ratios[i]]), color: colors[k]})), say("update to weight ratio of each layer by step"), innerWidth > 760 ? 290 : 190);
  $("legend").replaceChildren(...shown.map(([n], k) => key(colors[k], n)));
  cards(); plane();
}
function cards() {
  $("layers").replaceChildren(...(latest.layers || []).slice(0, 120).map(l => el("div", {class: "card"}, el("h3", {title: l.name}, l.name),
    l.histogram ? bars(l.histogram.counts, l.histogram.edges, say("gradients of {name}", {name: l.name}), 210, 62, "--back") : el("p", {}, say("no gradient")),
    el("p", {}, `${times(l.shape)}   ‖∂‖ ${num(l.gradient, 3)}   Δ÷w ${num(l.ratio, 2)}`), l.bad ? el("p", {class: "warn"}, say("{count} NaN or ∞", {count: l.bad})) : null)));
  let bad = 0;
  $("activations").replaceChildren(...(latest.activations || []).slice(0, 120).map(a => {
    const dead = a.dead > .1, full = a.saturated > .5;
    bad += dead || full;
    return el("div", {class: "card"}, el("h3", {title: a.name}, `${a.name}  ${a.kind}`), a.histogram ? bars(a.histogram.counts, a.histogram.edges, say("activations of {name}", {name: a.name}), 210, 62) : "",
      el("p", {}, `${times(a.shape)}   ${say("mean")} ${num(a.mean, 3)}   ${say("std")} ${num(a.std, 3)}`),
      a.dead !== undefined ? el("p", {class: dead ? "warn" : null}, say("units dead: {share} %", {share: num(100 * a.dead, 3)})) : null,
      a.saturated !== undefined ? el("p", {class: full ? "warn" : null}, say("saturated values: {share} %, units: {units} %", {share: num(100 * a.saturated, 3), units: num(100 * a.stuck, 3)})) : null);
  }));
  $("warnings").textContent = bad ? say("{count} with many dead or saturated units", {count: bad}) : "";
}
function plane() {
  const box = $("surface"), about = $("about");
  $("ways").replaceChildren();
  if (busy) about.textContent = busy.kind === "descent" ? say("looking at step {done} of {of}; then the training waits for some seconds", busy) : say("with the next step");
  if (!surface || !surface.loss) {
    box.replaceChildren(el("div", {class: "empty"}, surface ? say(surface.why) : say("Computed on request; the training waits for it, some seconds.")));
    if (!busy) about.textContent = "";
    return;
  }
  const {x, y, loss} = surface, W = Math.max(200, box.clientWidth), H = Math.max(180, Math.min(320, W * (y[y.length - 1] - y[0]) / (x[x.length - 1] - x[0]))), [c, g] = canvas(W, H, say("loss surface with the way of the parameters"));
  const all = loss.flat().filter(real), low = Math.min(...all), high = Math.max(...all);
  const wide = x[x.length - 1] - x[0], tall = y[y.length - 1] - y[0], k = Math.min(W / wide, H / tall), ox = (W - k * wide) / 2, oy = (H - k * tall) / 2;
  const X = v => ox + (v - x[0]) * k, Y = v => H - oy - (v - y[0]) * k;
  levels(g, [W, H], [ox, oy, k], [x, y, loss], low > 0 ? v => Math.log(v / low) / (Math.log(high / low) || 1) : v => (v - low) / (high - low || 1));
  const ways = [["way", "--loss-line", surface.kind === "descent" ? say("the training: each step with its batch") : say("the training")], ["batch", "--ink", many("descent with the gradient of {count} batch", "descent with the mean gradient of {count} batches", surface.averaged)]].filter(([w]) => surface[w]);
  for (const [way, color, words] of ways) {
    const p = surface[way].map(([a, b]) => [X(a), Y(b)]);
    g.strokeStyle = g.fillStyle = style(color); g.lineWidth = 1.8; g.lineJoin = "round";
    g.setLineDash(way === "batch" ? [6, 4] : []);
    g.beginPath(); p.forEach((q, i) => i ? g.lineTo(...q) : g.moveTo(...q)); g.stroke(); g.setLineDash([]);
    for (const q of p) { g.beginPath(); g.arc(...q, 1.9, 0, 7); g.fill(); }
    g.beginPath(); g.arc(...p[p.length - 1], 5, 0, 7); g.fill();
    g.beginPath(); g.arc(...p[0], 5.5, 0, 7); g.stroke();
    $("ways").append(key(style(color), words));
  }
  scale(g, W, H, num(low, 3), num(high, 3));
  box.replaceChildren(c);
  if (busy) return;
  const mean = many("loss of {count} batch", "mean loss of {count} batches", surface.surface || 1);
  about.textContent = say("{loss} from {low} to {high}; variance of the way in this plane: {share} %; a ring begins, a dot ends; until step {step}; the training waited {seconds} s.", {loss: mean, low: num(low, 3), high: num(high, 3), share: num(100 * surface.share, 3), step: surface.made, seconds: num(surface.seconds, 2)}) + " " + say(surface.why || "");
}
/* which colour is a low loss, and which a high one */
function scale(g, W, H, low, high) {
  g.font = "11px system-ui,sans-serif";  /* as wide as its two numbers */
  const n = BANDS, wide = Math.max(6, (g.measureText(low + "  " + high).width + 8) / n), x = W - n * wide - 10, y = H - 30;
  g.textBaseline = "alphabetic";
  g.globalAlpha = .88; g.fillStyle = style("--panel"); g.fillRect(x - 8, y - 6, n * wide + 16, 34); g.globalAlpha = 1;
  for (let i = 0; i < n; i++) { g.fillStyle = `rgba(${style("--pos")},${band(i / n)})`; g.fillRect(x + i * wide, y, wide, 10); }
  g.fillStyle = style("--soft"); g.textAlign = "left"; g.fillText(low, x, y + 23); g.textAlign = "right"; g.fillText(high, x + n * wide, y + 23);
}
const BANDS = 14, band = share => (.06 + .8 * share).toFixed(3);
/* bilinear between the points; bands show the levels */
function levels(g, [W, H], [ox, oy, k], [x, y, loss], f) {
  const at = (i, j) => { for (const [a, b] of [[i, j], [i & ~1, j & ~1]]) if (loss[a] && real(loss[a][b])) return loss[a][b]; return null; };
  const n = x.length, fine = 3, blue = style("--pos");
  for (let py = 0; py < H; py += fine) for (let px = 0; px < W; px += fine) {
    const u = (px - ox) / k / (x[n - 1] - x[0]) * (n - 1), v = (H - py - oy) / k / (y[n - 1] - y[0]) * (n - 1);
    if (u < 0 || v < 0 || u > n - 1 || v > n - 1) continue;
    const i = Math.min(n - 2, Math.floor(v)), j = Math.min(n - 2, Math.floor(u)), a = v - i, b = u - j;
    const q = [at(i, j), at(i, j + 1), at(i + 1, j), at(i + 1, j + 1)];
    if (!q.every(real)) continue;
    const level = Math.floor(f((1 - a) * ((1 - b) * q[0] + b * q[1]) + a * ((1 - b) * q[2] + b * q[3])) * BANDS) / BANDS;
    g.fillStyle = `rgba(${blue},${band(level)})`;
    g.fillRect(px, py, fine, fine);
  }
}
const key = (color, words) => { const i = el("i"); i.style.background = color; return el("span", {}, i, words); };
/* said by screen readers: only what has changed */
function status(text, kind = "") {
  const state = $("state");
  state.className = kind;
  if (state.textContent !== text) state.textContent = text;
}
async function poll() {
  if (waiting || document.hidden && !paused && !busy) return;
  waiting = true;
  try {
    const found = await (await ask(`/data?after=${last}&picture=${picture}`)).json();
    rows.push(...found.rows);
    if (rows.length > 4000) rows.splice(0, rows.length, ...rows.filter((_, i) => i % 2 === 0 || i > rows.length - 1000));
    if (rows.length) last = rows[rows.length - 1].step;
    if (found.layers) { latest = found; names = found.names; }
    if (found.picture) { surface = found.surface; picture = found.picture; }
    const news = found.rows.length || found.picture, was = busy;
    paused = found.paused; busy = found.busy;
    if ($("problem").textContent !== found.problem) $("problem").textContent = found.problem;
    status(found.ended ? say("ended") : found.resting ? say("paused") : paused ? say("pausing after this step") : found.step ? say("running") : say("waiting for the first step"));
    $("count").textContent = found.step ? say("step {step}", {step: found.step}) : "";
    $("pause").textContent = paused ? "▶ " + say("Resume") : "❚❚ " + say("Pause");
    for (const b of ["pause", "step", "compute", "descent"]) $(b).disabled = found.ended;
    if (news) draw(); else if (busy || was) plane();
  } catch { status(say("the training's process has ended"), "off"); }
  waiting = false;
}
const act = what => ask("/do", {method: "POST", body: what}).then(poll, poll);
$("pause").addEventListener("click", () => act(paused ? "resume" : "pause"));
$("step").addEventListener("click", () => act("step"));
$("compute").addEventListener("click", () => act("surface"));
$("descent").addEventListener("click", () => act("descent"));
document.addEventListener("keydown", e => {
  if (e.key === " " && ["BUTTON", "A"].includes(e.target.tagName) || e.ctrlKey || e.metaKey || e.altKey) return;
  if (e.key === " " || e.key === "p") { e.preventDefault(); act(paused ? "resume" : "pause"); }
  if (e.key === "ArrowRight" || e.key === "s") act("step");
});
addEventListener("resize", draw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
history.replaceState(null, "", "/?token=" + encodeURIComponent(DATA.token));
translate(document.body);
$("pause").textContent = "❚❚ " + say("Pause");
setInterval(poll, 500); poll(); draw();
