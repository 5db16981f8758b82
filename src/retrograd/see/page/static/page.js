/* The page of one calculation. The graph is drawn on a canvas, only what is in sight;
   boxes are laid out beforehand, and open ones push the others aside. */
let level, D, V, by, marks, place, open, at = 0, selected = null, order, done;
let view = {x: 0, y: 0, k: 1}, shown = [], wires = [], size = {w: 1, h: 1}, sight = [0, 0, 1, 1], users;
const stage = $("graph"), ctx = stage.getContext("2d"), map = $("map");
const HEAD = 30, PAD = 16, WAYS = 8, CHIPS = 100;
/* screens that a link may cross before it is cut */
const PASSES = 1.2;
const LEVELS = {modules: say("Modules"), operations: say("Operations"), kernels: say("Kernels")};
const serif = '"STIX Two Text",Cambria,"Times New Roman","Liberation Serif","DejaVu Serif",serif';
let colors = {};
function theme() {
  for (const c of ["paper", "panel", "ink", "soft", "rule", "focus", "value", "value-line", "loss", "loss-line", "input", "input-line", "parameter", "parameter-line", "random", "random-line", "function", "function-line", "back", "back-fill", "box", "box-line", "todo"])
    colors[c] = style("--" + c);
}
function load(name) {
  const had = selected && by ? nodeOf(selected) : null;
  level = name; step = 0; D = DATA.levels[name].description; V = DATA.levels[name].view;
  by = new Map(); marks = new Map(); order = new Map();
  for (const part of ["nodes", "gradients", "operations", "kernels"])
    for (const x of D[part] || []) by.set(x.id, x);
  for (const [id, kind, label, role, caption, entry, parent] of V.marks)
    marks.set(id, {id, kind, label, role, caption, entry, parent});
  V.steps.forEach((s, i) => order.set(s, i));
  for (const m of marks.values())  /* when the first value in a box is there */
    if (order.has(m.entry)) for (let b = m.parent; b; b = V.boxes[b].parent) V.boxes[b].first = Math.min(V.boxes[b].first ?? Infinity, order.get(m.entry));
  users = new Map();
  for (const n of D.nodes || []) for (const i of new Set(n.inputs)) users.has(i) ? users.get(i).push(n.id) : users.set(i, [n.id]);
  for (const [id, b] of Object.entries(V.boxes)) {
    b.id = id; b.routing = new Map(b.routes.map(([s, t, p]) => [s + "\n" + t, p]));
  }
  open = new Set(V.open);
  at = Math.min(at, V.steps.length);
  $("at").max = V.steps.length;
  for (const b of $("levels").children) b.setAttribute("aria-pressed", b.dataset.level === name);
  arrange(); fit();
  at = name === "kernels" ? 0 : at;
  const same = had && (D.nodes || []).find(n => n.name.text === had.name.text && marks.has(n.id));
  select(same ? same.id : null); go(at);
}
/* -- places ------------------------------------------------------------------------- */
/* Open boxes stretch the rows and columns that they stand in. */
function stretch(spans) {
  spans.sort((a, b) => a[0] - b[0]);
  const cuts = [];
  const f = x => { let y = x; for (const [l, r, d] of cuts) y += d * Math.max(0, Math.min(1, (x - l) / (r - l))); return y; };
  for (const [l, r, want] of spans) {
    const lack = want - (f(r) - f(l));
    if (lack > 0) cuts.push([l, r, lack]);
  }
  return f;
}
function extent(id) {
  const b = V.boxes[id], inner = new Map();
  for (const [t] of b.things) if (open.has(t) && V.boxes[t]) inner.set(t, extent(t));
  const xs = [], ys = [];
  for (const [t, x, y, w, h] of b.things) {
    const e = inner.get(t);
    if (e) { xs.push([x - w / 2, x + w / 2, e.w]); ys.push([y - h / 2, y + h / 2, e.h]); }
  }
  const fx = stretch(xs), fy = stretch(ys);
  const root = id === "" ? 0 : 1, p = PAD * root, top = (HEAD + 6) * root;
  return {b, inner, fx, fy, p, top, w: fx(b.width) - fx(0) + 2 * p, h: fy(b.height) - fy(0) + top + p};
}
function arrange() {
  place = new Map(); shown = []; wires = [];
  const all = extent("");
  size = {w: all.w, h: all.h};
  const spread = (e, x0, y0, deep) => {
    const {fx, fy} = e, ox = x0 + e.p - fx(0), oy = y0 + e.top - fy(0);
    e.map = (x, y) => [ox + fx(x), oy + fy(y)];
    place.set("@" + e.b.id, e);
    for (const [t, x, y, w, h] of e.b.things) {
      const cx = ox + (fx(x - w / 2) + fx(x + w / 2)) / 2, cy = oy + (fy(y - h / 2) + fy(y + h / 2)) / 2;
      const inside = e.inner.get(t);
      const s = {id: t, x: cx, y: cy, w: inside ? inside.w : w, h: inside ? inside.h : h, mark: marks.get(t), box: V.boxes[t], open: !!inside, parent: e.b.id, deep};
      place.set(t, s); shown.push(s);
      if (inside) spread(inside, cx - inside.w / 2, cy - inside.h / 2, deep + 1);
    }
  };
  spread(all, 0, 0, 0);
  const seen = new Set();
  for (const [a, b] of V.links) {
    const s = standing(a), t = standing(b);
    if (s === t) continue;
    const key = s + "\n" + t;
    if (seen.has(key)) continue;
    seen.add(key);
    wires.push(wire(place.get(s), place.get(t), key));
  }
}
/* what stands for a mark: itself, or the outermost closed box around it */
function standing(id) {
  let found = id, up = marks.has(id) ? marks.get(id).parent : V.boxes[id].parent;
  while (up !== null && up !== "") {
    if (!open.has(up)) found = up;
    up = V.boxes[up].parent;
  }
  return found;
}
function wire(s, t, key) {
  let inner = [];
  if (s.parent === t.parent) {
    const e = place.get("@" + s.parent), points = e.b.routing.get(key);
    if (points) inner = points.map(([x, y]) => e.map(x, y));
  }
  const doors = [];  /* of the open boxes that it enters */
  for (let up = t.parent; up && up !== s.parent && !within(s.parent, up); up = V.boxes[up].parent) {
    const e = place.get("@" + up);
    if (e && e.b.port) {
      const to = e.b.routing.get("\n" + (doors.length ? doors.below : t.id)) || [];
      doors.unshift(e.map(...e.b.port), ...to.map(([x, y]) => e.map(x, y)));
    }
    doors.below = up;
  }
  inner = [...inner, ...doors];
  const first = inner[0] || [t.x, t.y], lastp = inner[inner.length - 1] || [s.x, s.y];
  const points = [rim(s, first, 1), ...inner, rim(t, lastp, -1)];
  const xs = points.map(p => p[0]), ys = points.map(p => p[1]);
  return {s, t, points, key, long: Math.hypot(t.x - s.x, t.y - s.y), box: [Math.min(...xs) - 40, Math.min(...ys) - 40, Math.max(...xs) + 40, Math.max(...ys) + 40]};
}
function within(box, id) { for (let b = box; b; b = V.boxes[b].parent) if (b === id) return true; return false; }
function rim(a, [x, y], out) {
  if (a.mark && a.mark.kind === "variable") {
    const dx = x - a.x, dy = y - a.y, r = a.w / 2 / (Math.hypot(dx, dy) || 1);
    return [a.x + dx * r, a.y + dy * r];
  }
  const share = Math.max(-.32, Math.min(.32, (y - a.y) / 260));
  return [a.x + out * a.w / 2, a.y + (out < 0 ? share * a.h : 0)];
}
/* -- drawing ------------------------------------------------------------------------ */
let waiting = false;
function draw() { if (!waiting) { waiting = true; requestAnimationFrame(() => { waiting = false; paint(); }); } }
function sizes() {
  const r = window.devicePixelRatio || 1, {clientWidth: w, clientHeight: h} = stage;
  if (stage.width !== Math.round(w * r) || stage.height !== Math.round(h * r)) { stage.width = Math.round(w * r); stage.height = Math.round(h * r); }
  return [w, h, r];
}
const stepOf = id => order.has(id) ? order.get(id) : -1;
function state(s) {  /* has its value, its gradient; is it the step that is taken? */
  if (s.box) {
    const k = s.box.kind === "kernel" ? stepOf(s.id) : null;
    return {value: (k === null ? s.box.first ?? -1 : k) < at, now: k !== null ? k === at - 1 : !s.open && holds(s.id), gradient: false};
  }
  const e = by.get(s.mark.entry), now = V.steps[at - 1];
  if (s.mark.kind === "operation") return {value: stepOf(s.mark.parent) < at, now: false, gradient: false};
  const n = stepOf(e.id), g = e.gradient ? stepOf(e.gradient) : -1;
  return {value: n < at, gradient: g >= 0 && g < at, now: now === e.id || (now && now === e.gradient && s.mark.kind === "variable")};
}
function holds(box) {
  const n = V.steps[at - 1] && nodeOf(V.steps[at - 1]);
  return !!n && marks.has(n.id) && standing(n.id) === box;
}
function paint() {
  const [w, h, r] = sizes();
  ctx.setTransform(r, 0, 0, r, 0, 0);
  ctx.clearRect(0, 0, w, h);
  ctx.translate(view.x, view.y); ctx.scale(view.k, view.k);
  const left = -view.x / view.k, top = -view.y / view.k, right = left + w / view.k, bottom = top + h / view.k;
  sight = [left, top, right, bottom];
  const sees = s => s.x + s.w / 2 > left - 30 && s.x - s.w / 2 < right + 30 && s.y + s.h / 2 > top - 30 && s.y - s.h / 2 < bottom + 30;
  const far = view.k < .28;
  for (const s of shown) if (s.open && sees(s)) boxOpen(s);
  if (view.k < .1) { specks(sees); return minimap(w, h); }
  const whole = PASSES * w / view.k, ends = new Map();
  for (const q of wires) {
    if (q.box[2] < left || q.box[0] > right || q.box[3] < top || q.box[1] > bottom) continue;
    if (q.long < whole) line(q, far);
    else if (!far) for (const s of [q.s, q.t]) if (sees(s)) stub(q, s, ends);
  }
  for (const s of shown) if (!s.open && sees(s)) s.box ? boxClosed(s, far) : mark(s, far);
  minimap(w, h);
}
/* A link that is longer than the screen: where it leaves, and where it comes, with the
   name of its other end. Thousands that pass by tell nothing. */
function stub(q, s, ends) {
  const leaves = s === q.s, had = ends.get(s) || ends.set(s, {[true]: 0, [false]: 0}).get(s), n = had[leaves]++;
  if (n >= (leaves ? 1 : 3)) return;
  const back = backwards(q), [x, y] = leaves ? [s.x + s.w / 2, s.y] : q.points[q.points.length - 1], to = leaves ? x + 26 : x - 26, v = leaves ? y : y + 13 * n;
  ctx.strokeStyle = ctx.fillStyle = back ? colors.back : state(q.t).value ? colors.soft : colors.todo;
  ctx.lineWidth = back ? 2 : 1.3; ctx.setLineDash([4, 3]);
  ctx.beginPath(); ctx.moveTo(x, y); ctx.lineTo(to, v); ctx.stroke(); ctx.setLineDash([]);
  if (leaves) return;
  if (back) head([to, v], [x, y]); else head([x, y], [to, v]);
  ctx.font = `italic 13px ${serif}`; ctx.textAlign = "right"; ctx.textBaseline = "middle";
  halo(q.s.mark ? q.s.mark.label : q.s.box.label, to - 4, v, colors.soft);
}
/* from far away: as little as can be told apart, and one of those that fall together */
function specks(sees) {
  const taken = new Set(), cell = ([x, y]) => Math.round(x * view.k / 2) * 65536 + Math.round(y * view.k / 2);
  const [left, top, right, bottom] = sight;
  ctx.strokeStyle = colors.todo; ctx.lineWidth = .7 / view.k;
  ctx.beginPath();
  for (const {points: p, box} of wires) {
    if (box[2] < left || box[0] > right || box[3] < top || box[1] > bottom) continue;
    const a = cell(p[0]), b = cell(p[p.length - 1]), both = a + " " + b;
    if (a === b || taken.has(both)) continue;
    taken.add(both); ctx.moveTo(...p[0]); ctx.lineTo(...p[p.length - 1]);
  }
  ctx.stroke();
  const seen = shown.filter(s => !s.open && (sees(s) || selected === s.id));
  for (const [s, st] of apart(seen, s => cell([s.x, s.y]))) {
    const e = st.now ? 3 : 1, w = Math.max(s.w, 1.2 / view.k) * e, h = Math.max(s.h, 1.2 / view.k) * e;
    ctx.fillStyle = tint(s, st);
    ctx.fillRect(s.x - w / 2, s.y - h / 2, w, h);
    if (selected === s.id) ring(s);
  }
}
/* [thing, state]: of those in one cell the first that the eye should find */
function apart(things, cell) {
  const kept = new Map(), rank = (s, st) => st.now ? 4 : selected === s.id ? 3 : st.gradient ? 2 : st.value ? 1 : 0;
  for (const s of things) {
    const at = cell(s), had = kept.get(at), st = state(s);
    if (!had || rank(s, st) > rank(...had)) kept.set(at, [s, st]);
  }
  return kept.values();
}
const tint = ({mark: m}, st) => st.now ? colors.focus : st.gradient ? colors.back : !st.value ? colors.todo : m && m.kind === "variable" ? colors[m.role + "-line"] || colors.ink : colors["function-line"];
function line(q, far) {
  const back = backwards(q), a = state(q.t), p = q.points;
  const on = back || a.value;
  ctx.strokeStyle = back ? colors.back : on ? colors.soft : colors.todo;
  ctx.fillStyle = ctx.strokeStyle;
  ctx.lineWidth = back ? 2 : 1.3;
  const touched = selected && (q.s.id === selected || q.t.id === selected || (q.t.mark && q.t.mark.entry === selected));
  if (touched && !back) { ctx.strokeStyle = ctx.fillStyle = colors.focus; ctx.lineWidth = 2; }
  ctx.beginPath(); ctx.moveTo(...p[0]);
  if (p.length === 2) {
    const [[x0, y0], [x1, y1]] = p, d = Math.max(14, Math.abs(x1 - x0) * .42);
    Math.abs(y1 - y0) < 2 ? ctx.lineTo(x1, y1) : ctx.bezierCurveTo(x0 + d, y0, x1 - d, y1, x1, y1);
  } else {
    for (let i = 1; i < p.length - 1; i++) {
      const [x, y] = p[i], [u, v] = p[i + 1];
      ctx.quadraticCurveTo(x, y, i === p.length - 2 ? u : (x + u) / 2, i === p.length - 2 ? v : (y + v) / 2);
    }
  }
  ctx.stroke();
  if (!far) back ? head(p[0], q.s.mark && q.s.mark.kind === "variable" ? p[1] : [p[0][0] + 20, p[0][1]]) : head(p[p.length - 1], p.length === 2 ? [p[1][0] - 20, p[1][1]] : p[p.length - 2]);
}
function head([x, y], [fx, fy]) {
  const a = Math.atan2(y - fy, x - fx), n = 7;
  ctx.beginPath(); ctx.moveTo(x, y);
  ctx.lineTo(x - n * Math.cos(a - .42), y - n * Math.sin(a - .42));
  ctx.lineTo(x - n * Math.cos(a + .42), y - n * Math.sin(a + .42));
  ctx.fill();
}
/* the gradient has gone back along this link */
function backwards(q) {
  if (level === "kernels") return false;
  const n = q.s.mark && by.get(q.s.mark.entry);
  if (q.s.box) return false;
  if (q.s.mark.kind === "variable") return !!(n && n.gradient && stepOf(n.gradient) < at && at);
  const i = (n.inputs || []).map(x => by.get(x)).filter(x => x && x.gradient);
  return i.some(x => stepOf(x.gradient) < at);
}
function ring(s) {
  ctx.strokeStyle = colors.focus; ctx.lineWidth = 3 / Math.min(1, view.k * 1.6);
  const m = 5;
  ctx.beginPath();
  if (s.mark && s.mark.kind === "variable") ctx.arc(s.x, s.y, s.w / 2 + m, 0, 7);
  else ctx.roundRect(s.x - s.w / 2 - m, s.y - s.h / 2 - m, s.w + 2 * m, s.h + 2 * m, 10);
  ctx.stroke();
}
function fitted(text, most, font, px) {
  ctx.font = font.replace("PX", px);
  while (px > 9 && ctx.measureText(text).width > most) ctx.font = font.replace("PX", --px);
  if (ctx.measureText(text).width > most) {
    while (text.length > 1 && ctx.measureText(text + "…").width > most) text = text.slice(0, -1);
    text += "…";
  }
  return text;
}
function mark(s, far) {
  const m = s.mark, st = state(s), x = s.x, y = s.y, w = s.w, h = s.h;
  const name = m.kind === "variable" ? m.role : m.kind === "scalar" ? "loss" : m.kind === "operation" ? "function" : m.kind;
  let fill = colors[name] || colors.value, rimc = colors[name + "-line"] || colors["value-line"];
  if (m.kind === "operation" && m.role === "backward") { fill = colors["back-fill"]; rimc = colors.back; }
  if (!st.value) { rimc = colors.todo; fill = colors.paper; }
  ctx.fillStyle = fill; ctx.strokeStyle = rimc; ctx.lineWidth = 1.6;
  ctx.beginPath();
  if (m.kind === "variable") ctx.arc(x, y, w / 2, 0, 7);
  else if (m.kind === "scalar") ctx.rect(x - w / 2, y - h / 2, w, h);
  else {
    const q = Math.min(h / 2, w * .45);
    ctx.moveTo(x - w / 2, y - h / 2); ctx.lineTo(x + w / 2 - q, y - h / 2);
    ctx.ellipse(x + w / 2 - q, y, q, h / 2, 0, -Math.PI / 2, Math.PI / 2);
    ctx.lineTo(x - w / 2, y + h / 2); ctx.closePath();
  }
  ctx.fill();
  if (st.now) { ctx.save(); ctx.shadowColor = st.gradient ? colors.back : colors.focus; ctx.shadowBlur = 18; ctx.lineWidth = 3; ctx.stroke(); ctx.restore(); }
  ctx.stroke();
  if (selected === s.id || (selected === m.entry && m.kind === "variable")) ring(s);
  if (far) return;
  ctx.textAlign = "center"; ctx.textBaseline = "middle";
  ctx.fillStyle = st.value ? colors.ink : colors.soft;
  const label = fitted(m.label, w - (m.kind === "variable" ? 8 : 20), m.kind === "variable" ? `italic PXpx ${serif}` : `PXpx ${serif}`, m.kind === "variable" ? 17 : 15);
  const two = m.kind === "operation" && m.caption;
  ctx.fillText(label, x - (m.kind === "function" ? 4 : 0), y + (two ? -6 : 1));
  ctx.font = "10.5px system-ui,sans-serif"; ctx.fillStyle = colors.soft;
  if (two) ctx.fillText(m.caption, x - 4, y + 11);
  if (m.kind !== "variable") return;
  const e = by.get(m.entry);
  halo(m.caption && view.k > .45 ? brief(e, st) : m.caption ? "" : brief(e, st), x, y + w / 2 + 9, colors.soft);
  if (st.gradient && e.gradient) {
    const g = by.get(e.gradient);
    badge(x + w * .36, y - w * .36, g);
  }
}
function brief(e, st) {
  if (!st.value || !e.value) return times(e.shape) === "scalar" ? "" : times(e.shape);
  if (e.value.size === 1) return num(flat(e.value.data)[0], 4);
  return times(e.shape) + (DATA.live && e.value.norm !== undefined && e.value.norm !== null ? ` ‖${num(e.value.norm, 3)}‖` : "");
}
function halo(text, x, y, color) {
  if (!text) return;
  ctx.lineWidth = 3; ctx.strokeStyle = colors.paper; ctx.lineJoin = "round";
  ctx.strokeText(text, x, y); ctx.fillStyle = color; ctx.fillText(text, x, y);
}
function badge(x, y, g) {
  const one = g.value && g.value.size === 1 ? num(flat(g.value.data)[0], 3) : g.value && g.value.norm !== undefined ? "‖" + num(g.value.norm, 2) + "‖" : "∂";
  ctx.font = "10px system-ui,sans-serif";
  const w = ctx.measureText(one).width + 10;
  ctx.fillStyle = colors["back-fill"]; ctx.strokeStyle = colors.back; ctx.lineWidth = 1.2;
  ctx.beginPath(); ctx.roundRect(x - 6, y - 9, w, 16, 8); ctx.fill(); ctx.stroke();
  ctx.fillStyle = colors.back; ctx.textAlign = "left"; ctx.fillText(one, x - 1, y); ctx.textAlign = "center";
}
function boxOpen(s) {
  ctx.fillStyle = colors.box; ctx.strokeStyle = s.box.kind === "kernel" ? colors["random-line"] : colors["box-line"];
  ctx.lineWidth = 1.2; ctx.setLineDash(s.box.kind === "run" ? [5, 4] : []);
  ctx.globalAlpha = .75; ctx.beginPath(); ctx.roundRect(...inSight(s), 12); ctx.fill();
  ctx.globalAlpha = 1; ctx.stroke(); ctx.setLineDash([]);
  if (selected === s.id) ring(s);
  if (view.k < .2) return;
  ctx.textAlign = "left"; ctx.textBaseline = "middle"; ctx.fillStyle = colors.soft;
  const text = fitted((s.box.kind === "module" ? `${s.box.label}   ${s.id}` : s.box.label), s.w - 40, "600 PXpx system-ui,sans-serif", 13);
  const from = s.x - s.w / 2, to = s.x + s.w / 2 - ctx.measureText("⊟  " + text).width - 24;
  ctx.fillText("⊟  " + text, Math.max(from, Math.min(sight[0], to)) + 12, s.y - s.h / 2 + 17);
}
/* as much of a box as is seen: an outline of dashes far beyond the screen takes long */
function inSight(s) {
  const [left, top, right, bottom] = sight, m = 60 / view.k, cut = (v, low, high) => Math.max(low - m, Math.min(high + m, v));
  const x = cut(s.x - s.w / 2, left, right), y = cut(s.y - s.h / 2, top, bottom);
  return [x, y, cut(s.x + s.w / 2, left, right) - x, cut(s.y + s.h / 2, top, bottom) - y];
}
function boxClosed(s, far) {
  const st = state(s), kernel = s.box.kind === "kernel";
  ctx.strokeStyle = kernel ? colors["random-line"] : colors["function-line"];
  ctx.fillStyle = st.value ? kernel ? colors.random : colors.function : colors.paper;
  ctx.lineWidth = 1.6;
  ctx.beginPath(); ctx.roundRect(s.x - s.w / 2 + 5, s.y - s.h / 2 - 4, s.w - 10, s.h, 10); ctx.globalAlpha = .5; ctx.stroke(); ctx.globalAlpha = 1;
  ctx.beginPath(); ctx.roundRect(s.x - s.w / 2, s.y - s.h / 2, s.w, s.h, 10); ctx.fill();
  if (st.now) { ctx.save(); ctx.shadowColor = colors.focus; ctx.shadowBlur = 18; ctx.lineWidth = 3; ctx.stroke(); ctx.restore(); }
  ctx.stroke();
  if (selected === s.id) ring(s);
  if (far) return;
  ctx.textAlign = "center"; ctx.textBaseline = "middle"; ctx.fillStyle = colors.ink;
  ctx.fillText(fitted(s.box.label, s.w - 16, `PXpx ${serif}`, 15), s.x, s.y - 7);
  ctx.fillStyle = colors.soft;
  const below = kernel ? "⊞ " + many("{count} operation", "{count} operations", s.box.count) : s.box.kind === "module" ? `⊞ ${s.id} · ${s.box.count}` : "⊞ " + many("{count} line", "{count} lines", s.box.count);
  ctx.fillText(fitted(below, s.w - 10, "PXpx system-ui,sans-serif", 11), s.x, s.y + 13);
}
function minimap(w, h) {
  const W = Math.min(190, w * .24), H = Math.max(26, Math.min(110, W * size.h / size.w)), r = window.devicePixelRatio || 1;
  if (map.hidden) return;
  map.style.width = W + "px"; map.style.height = H + "px";
  if (map.width !== Math.round(W * r) || map.height !== Math.round(H * r)) { map.width = Math.round(W * r); map.height = Math.round(H * r); }
  const g = map.getContext("2d"), k = Math.min((W - 8) / size.w, (H - 8) / size.h);
  map.k = k; map.ox = (W - size.w * k) / 2; map.oy = (H - size.h * k) / 2;
  g.setTransform(r, 0, 0, r, 0, 0); g.clearRect(0, 0, W, H);
  g.strokeStyle = colors.rule;
  for (const s of shown) if (s.open && s.w * k > 3) g.strokeRect(map.ox + (s.x - s.w / 2) * k, map.oy + (s.y - s.h / 2) * k, s.w * k, s.h * k);
  for (const [s, st] of apart(shown.filter(s => !s.open), s => Math.round(s.x * k) * 65536 + Math.round(s.y * k))) {
    g.fillStyle = tint(s, st);
    g.fillRect(map.ox + (s.x - s.w / 2) * k, map.oy + (s.y - s.h / 2) * k, Math.max(1.2, s.w * k), Math.max(1.2, s.h * k));
  }
  g.strokeStyle = colors.focus; g.lineWidth = 1.5;
  g.strokeRect(map.ox - view.x / view.k * k, map.oy - view.y / view.k * k, w / view.k * k, h / view.k * k);
}
/* -- moving ------------------------------------------------------------------------- */
function fit() {
  const [w, h] = sizes(), k = Math.min(1.25, (w - 50) / size.w, (h - 70) / size.h);
  const first = k < .5 ? Math.max(k, Math.min(.8, (h - 70) / size.h)) : k;
  view = {k: first, x: first > k ? 24 : (w - size.w * first) / 2, y: (h - 40 - size.h * first) / 2 + 6};
  draw();
}
function whole() {
  const [w, h] = sizes(), k = Math.min(1.25, (w - 50) / size.w, (h - 70) / size.h);
  view = {k, x: (w - size.w * k) / 2, y: (h - size.h * k) / 2};
  draw();
}
function zoom(by, x, y) {
  const [w, h] = sizes();
  if (x === undefined) { x = w / 2; y = h / 2; }
  const k = Math.max(.01, Math.min(4, view.k * by));
  view.x = x - (x - view.x) * k / view.k; view.y = y - (y - view.y) * k / view.k; view.k = k;
  draw();
}
function show(s) {  /* bring it into sight */
  const [w, h] = sizes(), m = 70;
  if (view.k < .3) { view.k = .8; view.x = w / 2 - s.x * .8; view.y = h / 2 - s.y * .8; }
  const x = view.x + s.x * view.k, y = view.y + s.y * view.k;
  if (x < m || x > w - m) view.x += w * (x < m ? .72 : .28) - x;
  if (y < m || y > h - m) view.y += h / 2 - y;
}
function under(px, py) {
  const x = (px - view.x) / view.k, y = (py - view.y) / view.k;
  let found = null;
  for (const s of shown) {
    if (Math.abs(x - s.x) > s.w / 2 || Math.abs(y - s.y) > s.h / 2) continue;
    if (s.open && y > s.y - s.h / 2 + HEAD) continue;
    found = s;
  }
  return found;
}
function toggle(id, to) {
  const was = place.get(id), x = was && view.x + (was.x - was.w / 2) * view.k, y = was && view.y + was.y * view.k;
  if (to === undefined) to = !open.has(id);
  to ? open.add(id) : open.delete(id);
  arrange();
  const now = place.get(id);
  if (was && now) { view.x = x - (now.x - now.w / 2) * view.k; view.y = y - now.y * view.k; }
  draw();
}
function reveal(id) {  /* open what is around a mark */
  let up = marks.has(id) ? marks.get(id).parent : V.boxes[id] ? V.boxes[id].parent : null, changed = false;
  while (up) { if (!open.has(up)) { open.add(up); changed = true; } up = V.boxes[up].parent; }
  if (changed) arrange();
}
const pointers = new Map();
let pressed = null, spread = 0;
stage.addEventListener("pointerdown", e => {
  stage.setPointerCapture(e.pointerId);
  pointers.set(e.pointerId, [e.offsetX, e.offsetY]);
  pressed = pointers.size === 1 ? [e.offsetX, e.offsetY] : null;
});
stage.addEventListener("pointermove", e => {
  if (!pointers.has(e.pointerId)) return;
  const [x, y] = pointers.get(e.pointerId);
  if (pointers.size === 1) {
    view.x += e.offsetX - x; view.y += e.offsetY - y;
    if (pressed && Math.hypot(e.offsetX - pressed[0], e.offsetY - pressed[1]) > 5) { pressed = null; stage.style.cursor = "grabbing"; }
    draw();
  }
  pointers.set(e.pointerId, [e.offsetX, e.offsetY]);
  if (pointers.size === 2) {
    const [a, b] = [...pointers.values()], d = Math.hypot(a[0] - b[0], a[1] - b[1]);
    if (spread) zoom(d / spread, (a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
    spread = d;
  }
});
for (const type of ["pointerup", "pointercancel"]) stage.addEventListener(type, e => {
  pointers.delete(e.pointerId); spread = 0; stage.style.cursor = "";
  if (type === "pointerup" && pressed) {
    const s = under(...pressed);
    if (s) { if (s.box && s.box.kind !== "kernel" || s.box && selected === s.id) toggle(s.id); select(s.id); }
    else select(null);
  }
  pressed = null;
});
stage.addEventListener("wheel", e => {
  e.preventDefault();
  if (e.ctrlKey || !e.deltaX && Math.abs(e.deltaY) >= 40) zoom(Math.exp(-e.deltaY * .0016), e.offsetX, e.offsetY);
  else { view.x -= e.deltaX; view.y -= e.deltaY; draw(); }
}, {passive: false});
const jump = e => {
  const [w, h] = sizes();
  view.x = w / 2 - (e.offsetX - map.ox) / map.k * view.k; view.y = h / 2 - (e.offsetY - map.oy) / map.k * view.k;
  draw();
};
map.addEventListener("pointerdown", e => { map.setPointerCapture(e.pointerId); jump(e); });
map.addEventListener("pointermove", e => { if (e.buttons) jump(e); });
/* -- steps -------------------------------------------------------------------------- */
function nodeOf(id) {
  const m = marks && marks.get(id), e = by.get(m ? m.entry : id);
  if (!e) return null;
  return e.node ? by.get(e.node) : e.role ? e : null;
}
function go(to, walk = false) {
  at = Math.max(0, Math.min(V.steps.length, to));
  $("at").value = at;
  const id = V.steps[at - 1], e = id && by.get(id);
  let text = `0 / ${V.steps.length}`;
  if (e) {
    const label = e.name ? e.name.text : e.words;
    text = `${at} / ${V.steps.length}   ${label}` + (e.value && e.value.text ? ` = ${e.value.text}` : "");
  }
  $("now").textContent = text; $("now").title = text;
  $("first").disabled = $("back").disabled = at === 0;
  $("next").disabled = $("last").disabled = at === V.steps.length;
  if (walk && e) {
    const n = e.node || e.id, s = place.get(level === "kernels" ? e.id : marks.has(n) ? standing(n) : n);
    select(marks.has(n) || V.boxes[n] ? n : null, false);
    if (s) show(s);
  } else panel();
  draw();
}
function select(id, see = true) {
  selected = id;
  if (id && marks && marks.has(id) && see) { const s = place.get(standing(id)); if (s) show(s); }
  panel(); draw();
}
function visit(id) {  /* from the panel, or from the search */
  const e = by.get(id), to = marks.has(id) || V.boxes[id] ? id : e && e.node ? e.node : e && e.home ? e.home : id;
  if (!marks.has(to) && !V.boxes[to]) return;
  reveal(to);
  const s = place.get(to), [w, h] = sizes();
  selected = to;
  if (s) { view.k = Math.max(view.k, .7); view.x = w / 2 - s.x * view.k; view.y = h / 2 - s.y * view.k; }
  panel(); draw();
}
function along(way) {  /* select what is computed from it, or what it is computed from */
  if (!selected) { const s = shown.find(x => !x.open); if (s) select(s.id); return; }
  const here = standing(selected), next = wires.filter(q => (way > 0 ? q.s.id : q.t.id) === here).map(q => way > 0 ? q.t : q.s);
  if (!next.length) return;
  selected = next[0].id; show(next[0]); panel(); draw();
}
document.addEventListener("keydown", e => {
  const field = e.target.tagName === "INPUT" && e.target.type === "search";
  if (e.key === "/" && !field) { e.preventDefault(); $("search").focus(); return; }
  if (field || e.ctrlKey || e.metaKey || e.altKey || e.target.type === "range" && e.key.startsWith("Arrow")) return;
  if (e.target.tagName === "BUTTON" && (e.key === "Enter" || e.key === " ")) return;
  if (e.target.id === "panel" && ["ArrowUp", "ArrowDown", "Home", "End", " "].includes(e.key)) return;
  const keys = {
    ArrowRight: () => go(at + 1, true), ArrowLeft: () => go(at - 1, true), " ": () => go(at + 1, true),
    Home: () => go(0), End: () => go(V.steps.length, true),
    ArrowDown: () => along(1), ArrowUp: () => along(-1),
    "+": () => zoom(1.25), "=": () => zoom(1.25), "-": () => zoom(.8), "0": whole,
    Enter: () => { const s = selected && standing(selected); if (s && V.boxes[s]) { toggle(s); if (selected !== s) select(selected); } else if (selected && V.boxes[selected]) toggle(selected); else if (selected) visit(selected); },
    Backspace: () => { const s = selected && place.get(standing(selected)); if (s && s.parent) { selected = s.parent; toggle(s.parent, false); panel(); } },
    Escape: () => { $("help").hidden = true; select(null); },
    "?": () => $("help-button").click(),
  };
  if (keys[e.key]) { e.preventDefault(); keys[e.key](); }
});
/* -- the panel ---------------------------------------------------------------------- */
const heading = text => el("h3", {}, text);
function chips(ids) {
  const box = el("div", {class: "links"});
  for (const id of ids.slice(0, CHIPS)) { const e = by.get(id); if (e) box.append(el("button", {onclick: () => visit(id)}, e.name ? e.name.text : e.op || e.words)); }
  if (ids.length > CHIPS) box.append(el("small", {}, `… ${ids.length}`));
  return box;
}
function equation(parts, back) {
  const d = el("div", {class: back ? "eq back" : "eq", tabindex: "-1"});
  parts.filter(Boolean).forEach((p, i) => { if (i) d.append(" = "); d.append(typeof p === "string" ? p : math(p)); });
  return d;
}
function source(s) { return s ? el("code", {class: "src"}, el("b", {}, `${s.file}:${s.line}  `), s.text || "") : null; }
function table(data) {
  const rows = Array.isArray(data) ? Array.isArray(data[0]) ? data : [data] : [[data]];
  if (rows.some(r => r.some(Array.isArray))) return null;
  let most = 0;
  for (const r of rows) for (const v of r) most = Math.max(most, finite(v));
  const t = el("table");
  for (const r of rows) {
    const tr = el("tr");
    for (const v of r) { const td = el("td", {}, num(v)); td.style.background = shade(v, most * 1.8); tr.append(td); }
    t.append(tr);
  }
  return el("div", {class: "table"}, t);
}
function numbers(v, label) {
  const out = document.createDocumentFragment();
  if (!v) return out;
  if (v.size === 1) { out.append(el("div", {}, `${num(flat(v.data)[0], 8)}`)); }
  else {
    const stats = el("div", {class: "stats"});
    for (const k of ["min", "max", "mean", "std", "norm", "zeros", "nan", "inf"]) if (v[k] !== undefined && (!["nan", "inf", "zeros"].includes(k) || v[k])) {
      const words = {norm: "‖·‖", nan: "NaN", inf: "∞", mean: say("mean"), std: say("std"), zeros: say("zeros")};
      stats.append(el("div", {class: k === "nan" || k === "inf" ? "warn" : null}, el("span", {}, words[k] || k), num(v[k])));
    }
    out.append(stats);
    const pics = el("div", {class: "pics"});
    if (v.heat) pics.append(el("figure", {}, heat(v.heat, say("heat map of {name}", {name: label})), el("figcaption", {}, `${times(v.shape)}, ${say("blue positive, red negative")}`)));
    if (v.histogram && v.histogram.counts.length > 1) pics.append(el("figure", {}, bars(v.histogram.counts, v.histogram.edges, say("histogram of {name}", {name: label})), el("figcaption", {}, say("histogram"))));
    if (pics.children.length) out.append(pics);
    if (v.data !== undefined && v.size <= 256) { const t = table(v.data); if (t) out.append(v.size <= 40 ? t : el("details", {}, el("summary", {}, say("all numbers")), t)); }
  }
  if (v.origin === "recomputed") out.append(el("small", {}, D.words.recomputed));
  return out;
}
function panel() {
  const p = $("panel");
  p.replaceChildren();
  if (selected && V.boxes[selected]) return boxPanel(p, V.boxes[selected]);
  const m = selected && marks.get(selected), e = m ? by.get(m.entry) : null;
  if (!e) return start(p);
  if (m.kind === "operation") return operation(p, e);
  const got = stepOf(e.id) < at;
  p.append(el("div", {class: "name"}, math(e.name), el("span", {class: "tag"}, D.words[e.role] || e.role), el("span", {class: "tag"}, `${times(e.shape)} ${e.dtype}`), e.label && e.label !== e.name.text ? el("span", {class: "quiet"}, e.label) : null));
  if (e.module) p.append(el("div", {class: "links"}, el("button", {onclick: () => { reveal(e.module); select(e.module); }}, e.module)));
  if (e.formula) p.append(equation([e.name, e.formula], false));
  if (got) { if (e.numbers) p.append(equation(["", e.numbers, e.value && e.value.size <= 9 ? e.value.text : null], false)); }
  if (e.source) p.append(heading(say("In the program")), source(e.source));
  p.append(heading(D.words.value));
  p.append(got || !e.formula ? numbers(e.value, e.name.text) : el("div", {class: "wait"}, say("comes in step {step}", {step: stepOf(e.id) + 1})));
  for (const n of e.notes || []) p.append(el("p", {class: "quiet"}, n));
  if (e.inputs && e.inputs.length) p.append(heading(say("computed from")), chips(e.inputs));
  if (users.has(e.id)) p.append(heading(say("used by")), chips(users.get(e.id)));
  const g = e.gradient && by.get(e.gradient);
  if (g) gradient(p, g);
  const ops = (e.operations || []).map(o => by.get(o)).filter(Boolean);
  if (ops.length && level === "modules") p.append(el("details", {}, el("summary", {}, many("{count} operation", "{count} operations", ops.length)), el("ol", {class: "ops"}, ...ops.map(o => el("li", {}, `${o.op}  ${o.formula || ""}  `, el("small", {}, times(o.shape)))))));
  const k = kernelOf(e);
  if (k) p.append(heading(say("kernel")), el("button", {onclick: () => { load("kernels"); visit(k.id); }}, k.words));
}
function kernelOf(e) {
  const deep = DATA.levels.kernels;
  if (!deep || level !== "modules" || !e.operations) return null;
  return (deep.description.kernels || []).find(k => (k.operations || []).includes(e.operations[e.operations.length - 1]));
}
function gradient(p, g) {
  const box = el("div", {class: "part back"}, heading(`${D.words.gradient} ${g.name.text}`)), got = stepOf(g.id) < at;
  p.append(box);
  box.append(equation([g.name, g.rule, g.formula], true));
  if (g.opened) box.append(equation(["", g.opened], true));
  if (got && g.numbers) box.append(equation(["", g.numbers, g.value && g.value.size <= 9 ? g.value.text : null], true));
  box.append(got ? numbers(g.value, g.name.text) : el("div", {class: "wait"}, say("comes in step {step}", {step: stepOf(g.id) + 1})));
  if (g.ways > 1) box.append(el("p", {}, `${D.words.sum}: ${g.ways}`));
  const ways = g.products || [];
  box.append(...ways.slice(0, WAYS).map(product));
  if (ways.length > WAYS) {  /* made when they are asked for */
    const rest = el("details", {}, el("summary", {}, "+ " + (ways.length - WAYS)));
    rest.addEventListener("toggle", () => rest.append(...ways.slice(WAYS).map(product)), {once: true});
    box.append(rest);
  }
  if (g.reuses && g.reuses.length) box.append(heading(D.words.reused), chips(g.reuses));
  if (g.check) box.append(heading(D.words.difference), el("div", {class: g.check.holds || g.check.kink ? null : "warn"}, `${D.words.error} ${num(g.check.error, 2)}${g.check.kink ? " – " + D.words.kink : ""}`));
  for (const n of g.notes || []) box.append(el("p", {class: "quiet"}, n));
}
function product(q) {
  const out = el("div"), j = q.jacobian;
  out.append(heading(say("outgoing = local Jacobian, incoming")), el("div", {class: "eq"}, math(j.name), j.matrix ? " = " : "", j.matrix ? math(j.matrix) : "", el("span", {class: "quiet"}, `   ${j.words}`)), el("code", {}, q.text));
  if (j.entries) out.append(el("div", {class: "pics"}, el("figure", {}, heat(j.entries, `Jacobian ${j.name.text}`), el("figcaption", {}, `${j.shape.join("×")}`))), j.shape[0] * j.shape[1] <= 64 ? table(j.entries) : "");
  else if (j.built === false) out.append(el("small", {}, `${j.shape.join("×")}: ${D.words["not built"]}`));
  if (q.incoming) out.append(el("div", {}, el("small", {}, say("incoming") + " "), chips([q.incoming])));
  return out;
}
function boxPanel(p, b) {
  const id = b.id;
  p.append(el("h2", {}, b.label), el("p", {class: "quiet"}, b.kind === "module" ? `${D.words.module} ${id}` : b.kind === "kernel" ? say("one kernel of the compiled plan") : say("a run of lines")));
  p.append(el("button", {onclick: () => { toggle(id); panel(); }}, open.has(id) ? "⊟ " + say("close") : "⊞ " + say("open")));
  const k = b.entry && by.get(b.entry);
  if (k) {
    p.append(el("p", {}, many("{count} number is written to memory", "{count} numbers are written to memory", k.writes || 0)), heading(say("operations")));
    p.append(el("ol", {class: "ops"}, ...(k.operations || []).map(o => by.get(o)).filter(Boolean).map(o => el("li", {}, `${o.op}  ${o.formula || ""}  `, el("small", {}, `${times(o.shape)} ${say(o.phase)}${o.source ? ` ${o.source.file}:${o.source.line}` : ""}`)))));
    return;
  }
  const lines = [...marks.values()].filter(m => m.kind === "variable" && inside(m.parent, id)).map(m => m.entry);
  p.append(heading(many("{count} value", "{count} values", lines.length)), chips(lines));
}
function inside(box, id) { for (let b = box; b !== null && b !== undefined; b = V.boxes[b].parent) if (b === id) return true; return false; }
function operation(p, o) {
  p.append(el("h2", {}, o.op), el("p", {class: "quiet"}, `${say(o.phase)} · ${times(o.shape)} ${o.dtype || ""}`), el("code", {}, o.formula || ""));
  if (o.source) p.append(heading(say("In the program")), source(o.source));
  const k = o.kernel && by.get(o.kernel);
  if (k) p.append(heading(say("kernel")), el("button", {onclick: () => visit(k.id)}, k.words));
  const ins = (o.inputs || []).filter(i => typeof i === "string" && marks.has(i));
  if (ins.length) p.append(heading(say("computed from")), chips(ins));
}
function start(p) {
  const loss = by.get(D.loss);
  p.append(el("div", {class: "name"}, math(loss.name), el("span", {}, "= " + ((loss.value && loss.value.text) || ""))));
  if (loss.formula) p.append(equation([loss.name, loss.formula], false));
  if (D.source) p.append(source(D.source));
  const count = k => (D[k] || []).length;
  p.append(el("p", {class: "quiet"}, [many("{count} value", "{count} values", count("nodes")), many("{count} gradient", "{count} gradients", count("gradients")), many("{count} operation", "{count} operations", count("operations"))].join(", ") + `. ${D.words[D.layout] || ""}`));
  if (D.nonfinite) p.append(el("p", {class: "warn"}, say("The first NaN or ∞ is made here:") + " "), chips([D.nonfinite]));
  const left = (D.omitted || {}).nodes;
  if (left) p.append(el("p", {class: "warn"}, D.words[left === 1 ? "left out, one" : "left out"].replace("{count}", left)));
  for (const n of D.notes || []) p.append(el("p", {class: "quiet"}, n));
  p.append(el("p", {class: "quiet"}, say("Step with ▶ or →; select a circle or a block to open it.")));
  const given = D.nodes.filter(n => !n.formula && marks.has(n.id)).map(n => n.id);
  p.append(heading(D.words.given), chips(given));
}
/* -- search, buttons ---------------------------------------------------------------- */
let hits = [], hit = 0;
const folded = s => s.normalize("NFKD").toLowerCase();
function find() {
  const wanted = folded($("search").value.trim()), list = $("found");
  hits = []; hit = 0;
  if (wanted) {
    const score = (texts) => { let best = 9; texts.forEach((t, i) => { if (!t) return; const k = folded(String(t)).indexOf(wanted); if (k >= 0) best = Math.min(best, (k ? 1 : 0) + i * .1); }); return best; };
    for (const n of D.nodes || []) if (marks.has(n.id)) { const s = score([n.name.text, n.label, n.function, n.module, n.source && n.source.text]); if (s < 9) hits.push([s, n.id, n.name.text, n.label, n.module || (n.source ? `${n.source.file}:${n.source.line}` : "")]); }
    for (const [id, b] of Object.entries(V.boxes)) if (id && b.kind !== "run") { const s = score([id, b.label]); if (s < 9) hits.push([s + .05, id, b.label, b.kind === "kernel" ? say("kernel") : id, ""]); }
    if (level === "kernels") for (const o of D.operations) if (marks.has(o.id)) { const s = score([o.op, o.source && o.source.text]); if (s < 9) hits.push([s, o.id, o.op, say(o.phase), times(o.shape)]); }
    hits.sort((a, b) => a[0] - b[0]);
    hits = hits.slice(0, 40);
  }
  list.replaceChildren(...hits.map((h, i) => el("li", {role: "option", id: "hit" + i, "aria-selected": String(i === hit), onclick: () => { visit(h[1]); list.hidden = true; }}, el("span", {}, h[2]), el("span", {class: "quiet"}, h[3] || ""), el("small", {}, h[4]))));
  if (wanted && !hits.length) list.append(el("li", {}, say("nothing found")));
  list.hidden = !wanted;
}
$("search").addEventListener("input", find);
$("search").addEventListener("keydown", e => {
  if (e.key === "Escape") { $("search").value = ""; find(); stage.focus(); return; }
  if (e.key === "ArrowDown" || e.key === "ArrowUp") {
    e.preventDefault(); hit = Math.max(0, Math.min(hits.length - 1, hit + (e.key === "ArrowDown" ? 1 : -1)));
    [...$("found").children].forEach((c, i) => { c.setAttribute("aria-selected", String(i === hit)); if (i === hit) c.scrollIntoView({block: "nearest"}); });
  }
});
$("find").addEventListener("submit", e => { e.preventDefault(); if (hits[hit]) { visit(hits[hit][1]); $("found").hidden = true; stage.focus(); } });
document.addEventListener("pointerdown", e => { if (!e.target.closest("header")) { $("found").hidden = true; $("help").hidden = true; } });
$("help-button").addEventListener("click", () => { $("help").hidden = !$("help").hidden; $("help-button").setAttribute("aria-expanded", String(!$("help").hidden)); });
$("first").addEventListener("click", () => go(0)); $("back").addEventListener("click", () => go(at - 1, true));
$("next").addEventListener("click", () => go(at + 1, true)); $("last").addEventListener("click", () => go(V.steps.length, true));
$("at").addEventListener("input", () => go(+$("at").value, true));
$("in").addEventListener("click", () => zoom(1.3)); $("out").addEventListener("click", () => zoom(1 / 1.3)); $("fit").addEventListener("click", whole);
$("open-all").addEventListener("click", () => {
  const next = shown.filter(s => s.box && !s.open).map(s => s.id);
  let count = shown.length;
  for (const id of next) { count += V.boxes[id].things.length; if (count > 12000) break; open.add(id); }
  arrange(); whole();
});
$("close-all").addEventListener("click", () => { open = new Set([""]); arrange(); whole(); });
translate($("app"));
$("title").textContent = DATA.title; $("title").title = DATA.title;
for (const name of Object.keys(DATA.levels)) {
  const b = el("button", {"aria-pressed": "false", onclick: () => load(name)}, LEVELS[name]);
  b.dataset.level = name; $("levels").append(b);
}
/* -- live: the values of later steps, from the training that it came from ---------- */
let step = 0, asking = false;
async function follow() {
  if (asking || document.hidden) return;
  asking = true;
  const note = $("live");
  try {
    const answer = await fetch(`/values?level=${level}&after=${step}`, {headers: {"X-Token": DATA.live.token}, cache: "no-store"}), found = await answer.json();
    note.className = "";
    note.textContent = "● " + say("step {step}", {step: found.step || DATA.live.step}) + (found.others > 20 ? ": " + say("steps since then have another graph") : "");
    if (found.values) {
      step = found.step;
      for (const [id, value] of Object.entries(found.values)) {
        const e = by.get(id);
        if (e) { e.value = value; e.numbers = null; }
      }
      if (!$("panel").contains(document.activeElement)) panel();
      draw();
    }
  } catch { note.className = "off"; note.textContent = say("the training has ended; step {step}", {step: step || DATA.live.step}); }
  asking = false;
}
if (DATA.live) { $("live").hidden = false; setInterval(follow, 500); }
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { theme(); panel(); draw(); });
new ResizeObserver(() => draw()).observe(stage);
theme(); at = 1e9; load("modules"); go(V.steps.length);
