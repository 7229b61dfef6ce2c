"use strict";
// What the page of a study is drawn with: elements, numbers, scales, lines of points [x, y].

function add(parent, name, attributes = {}, text = "") {
  const isDrawing = name === "svg" || parent.namespaceURI.endsWith("svg");
  const element = document.createElementNS(`http://www.w3.org/${isDrawing ? "2000/svg" : "1999/xhtml"}`, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== "") element.textContent = text;
  parent.append(element);
  return element;
}

function section(parent, name, title) {
  const element = add(parent, "section", {class: name, "aria-label": title});
  add(element, "h2", {}, title);
  return element;
}

function write(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value === "number") {
    const short = Number(value.toPrecision(4));
    return short && Math.abs(short) < 1e-3 ? short.toExponential() : String(short);
  }
  return typeof value === "string" ? value : JSON.stringify(value);
}

// How far a value is from one end to the other, 0 to 1.
function along(value, [low, high], log) {
  const f = log ? Math.log : x => x;
  return high > low ? (f(value) - f(low)) / (f(high) - f(low)) : 0.5;
}

function ticks([low, high], log) {
  if (high <= low) return [low];
  const decades = [];
  if (log) {
    const first = Math.ceil(Math.log10(low) - 1e-9), last = Math.floor(Math.log10(high) + 1e-9);
    const step = Math.max(Math.ceil((last - first) / 7), 1);
    for (let k = first; k <= last; k += step) decades.push(Number(`1e${k}`));
  }
  if (decades.length > 1) return decades;
  const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find(factor => factor * power >= rough);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) found.push(k * step);
  return found;
}

// The line through points; null among them is a gap.
function path(points) {
  const step = (p, i) => `${i && points[i - 1] ? "L" : "M"}${p[0].toFixed(1)} ${p[1].toFixed(1)}`;
  return points.map((p, i) => p ? step(p, i) : "").join("");
}

// Where an event is, in the drawing's units.
function position(event, svg) {
  return new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
}

// From a line to a place, along the vertical.
function distance(points, x, y) {
  let least = Infinity;
  for (let i = 1; i < points.length; i++) {
    const a = points[i - 1], b = points[i];
    if (!a || !b || x < a[0] || x > b[0]) continue;
    const height = a[1] + (b[1] - a[1]) * (b[0] > a[0] ? (x - a[0]) / (b[0] - a[0]) : 0);
    least = Math.min(least, Math.abs(height - y));
  }
  return least;
}
