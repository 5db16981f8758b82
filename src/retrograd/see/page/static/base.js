"use strict";
/* What both pages use: elements, numbers, formulas, pictures of numbers. All text goes
   through textContent; formulas are parsed as XML in the MathML namespace alone. */
const $ = id => document.getElementById(id);
const DATA = JSON.parse($("data").textContent);
/* words are English in these files; DATA.words has those of the language */
const say = (text, about = {}) => (DATA.words[text] || text).replace(/\{(\w+)\}/g, (_, k) => about[k]);
/* of one thing and of several, as the catalogue tells them apart */
const many = (one, more, count) => say(count === 1 ? one : more, {count: num(count)});
function translate(root) {
  for (const e of root.querySelectorAll("*"))
    for (const name of ["aria-label", "title", "placeholder"]) if (e.hasAttribute(name)) e.setAttribute(name, say(e.getAttribute(name)));
  const texts = document.createTreeWalker(root, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) { const t = texts.currentNode, word = t.data.trim(); if (DATA.words[word]) t.data = t.data.replace(word, DATA.words[word]); }
}
function el(tag, about = {}, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(about)) {
    if (k === "class") e.className = v;
    else if (k.startsWith("on")) e.addEventListener(k.slice(2), v);
    else if (v !== null && v !== undefined) e.setAttribute(k, v);
  }
  e.append(...children.filter(c => c !== null && c !== undefined));
  return e;
}
/* asking the browser anew makes it work out all styles of a page that has changed */
const styles = new Map();
function style(name) {
  if (!styles.has(name)) styles.set(name, getComputedStyle(document.documentElement).getPropertyValue(name).trim());
  return styles.get(name);
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => styles.clear());
const minus = s => s.replace(/-/g, "−");
function num(v, digits = 4) {
  if (v === null || v === undefined) return "–";
  if (v === "NaN") return "NaN";
  if (v === "Infinity") return "∞";
  if (v === "-Infinity") return "−∞";
  if (v === true || v === false) return String(v);
  if (Number.isInteger(v) && Math.abs(v) < 1e6) return minus(String(v));
  const a = Math.abs(v);
  return minus(a !== 0 && (a < 1e-4 || a >= 1e6) ? v.toExponential(2) : String(+v.toPrecision(digits)));
}
const times = shape => shape && shape.length ? shape.join("×") : "scalar";
const MATHML = "http://www.w3.org/1998/Math/MathML";
function math(formula) {
  if (!formula) return null;
  const text = `<math xmlns="${MATHML}" display="inline">${formula.mathml || ""}</math>`;
  const found = new DOMParser().parseFromString(text, "application/xml");
  if (found.querySelector("parsererror") || !formula.mathml) return el("span", {}, formula.text || "");
  return document.importNode(found.documentElement, true);
}
const flat = v => Array.isArray(v) ? v.flatMap(flat) : [v];
const finite = v => typeof v === "number" ? Math.abs(v) : 0;
function shade(v, most) {
  if (typeof v !== "number") return v === true ? `rgba(${style("--pos")},.6)` : typeof v === "string" ? style("--loss-line") : "transparent";
  return `rgba(${style(v < 0 ? "--neg" : "--pos")},${(most ? 0.9 * Math.min(1, Math.abs(v) / most) : 0).toFixed(3)})`;
}
/* a canvas that is sharp on every screen */
function canvas(width, height, label) {
  const c = el("canvas", {role: "img", "aria-label": label}), r = window.devicePixelRatio || 1;
  c.width = width * r; c.height = height * r;
  c.style.width = width + "px"; c.style.height = height + "px";
  const g = c.getContext("2d");
  g.scale(r, r);
  return [c, g];
}
function heat(rows, label) {
  const h = rows.length, w = Math.max(1, rows[0] ? rows[0].length : 1);
  const size = Math.max(3, Math.min(18, Math.floor(230 / Math.max(w, h))));
  const [c, g] = canvas(w * size, h * size, label);
  let most = 0;
  for (const r of rows) for (const v of r) most = Math.max(most, finite(v));
  rows.forEach((r, i) => r.forEach((v, j) => {
    g.fillStyle = shade(v, most);
    g.fillRect(j * size, i * size, size, size);
  }));
  g.strokeStyle = style("--rule");
  g.strokeRect(.5, .5, w * size - 1, h * size - 1);
  return c;
}
function bars(counts, edges, label, width = 216, height = 70, color = "--function-line") {
  const [c, g] = canvas(width, height, label), most = Math.max(...counts, 1), n = counts.length;
  g.fillStyle = style(color);
  counts.forEach((k, i) => {
    const tall = (height - 16) * k / most;
    g.fillRect(i * width / n + .5, height - 14 - tall, Math.max(1, width / n - 1), tall);
  });
  g.fillStyle = style("--soft");
  g.font = "10px system-ui,sans-serif";
  g.fillText(num(edges[0], 3), 0, height - 2);
  g.textAlign = "right";
  g.fillText(num(edges[edges.length - 1], 3), width, height - 2);
  if (edges[0] < 0 && edges[edges.length - 1] > 0) {
    const x = width * -edges[0] / (edges[edges.length - 1] - edges[0]);
    g.fillRect(x, 0, 1, height - 14);
  }
  return c;
}
