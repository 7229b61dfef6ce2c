// The page of a study, see srnet/pages.py: the JSON in #data drawn into #page. Here are which trials
// are shown, the table, and the settings of one; figures.js draws, with the means of drawing.js.
// What the data hold is only ever set as text, never as markup.

const data = JSON.parse(document.getElementById("data").textContent);
const page = document.getElementById("page");

const trials = data.rows.map((row, index) => ({row, index, course: null, trend: -1}));
const byNumber = new Map(trials.map(trial => [trial.row.trial, trial]));
for (const [number, epochs, values, trend] of data.courses) {
  const trial = byNumber.get(number);
  if (trial) Object.assign(trial, {course: {epochs, values}, trend: data.trends.indexOf(trend)});
}

const brushes = new Map(); // of an axis's number: [top, bottom] in the drawing's units
const hidden = new Set(); // the numbers of trends switched off
let pinned = null; // the trial clicked
let hovered = null; // the trial pointed at, or with the keyboard's focus
const updates = []; // what each part does when any of these has changed

function update() {
  for (const one of updates) one();
}

function isWithin(trial, axis) {
  const [top, bottom] = brushes.get(axis) || [-Infinity, Infinity];
  const y = trial.places[axis][1];
  return y >= top && y <= bottom;
}

function isShown(trial) {
  return !hidden.has(trial.trend) && data.axes.every((_, axis) => isWithin(trial, axis));
}

function look(trial) {
  return trial.trend < 0 ? "line none" : `line trend-${trial.trend}`;
}

// -- the table, and the settings of one trial ----------------------------------------------

function columns() { // the axes, and what else differs; the name of the state is left to the settings
  const keys = [...new Set(trials.flatMap(trial => Object.keys(trial.row)))];
  const axes = data.axes.map(axis => axis.key);
  return keys.filter(key => {
    const different = new Set(trials.map(trial => write(trial.row[key]))).size > 1;
    return key === "trial" || axes.includes(key) || (different && key !== "state");
  });
}

function drawTable() {
  const box = section(page, "trials", "Trials");
  const table = add(add(box, "div", {class: "wide"}), "table");
  const names = columns().concat(data.trends.length ? ["trend"] : []);
  const isTrend = (trial, name) => name === "trend" && !(name in trial.row);
  const valueOf = (trial, name) => isTrend(trial, name) ? data.trends[trial.trend] : trial.row[name];
  const head = add(add(table, "thead"), "tr"), body = add(table, "tbody");
  let by = data.metric, down = data.maximize;
  const headers = names.map(name => {
    const cell = add(head, "th", {scope: "col"});
    add(cell, "button", {type: "button"}, name).addEventListener("click", () => {
      down = name === by && !down;
      by = name;
      sort();
    });
    return cell;
  });
  for (const trial of trials) {
    trial.line = add(body, "tr", {tabindex: 0});
    for (const name of names) {
      const value = valueOf(trial, name);
      const cell = add(trial.line, "td", typeof value === "number" ? {class: "number"} : {}, write(value));
      if (name === "trend" && trial.trend >= 0) cell.className = `trend-${trial.trend}`;
    }
    const point = () => { hovered = trial; update(); };
    const leave = () => { hovered = null; update(); };
    const pin = () => { pinned = pinned === trial ? null : trial; update(); };
    for (const kind of ["pointerenter", "focus"]) trial.line.addEventListener(kind, point);
    for (const kind of ["pointerleave", "blur"]) trial.line.addEventListener(kind, leave);
    trial.line.addEventListener("click", pin);
    trial.line.addEventListener("keydown", event => {
      const way = {ArrowUp: "previousElementSibling", ArrowDown: "nextElementSibling"}[event.key];
      let line = trial.line;
      if (event.key === "Enter" || event.key === " ") pin();
      else if (!way) return;
      else do line = line[way]; while (line && line.hidden);
      if (line) line.focus();
      event.preventDefault();
    });
  }
  function sort() { // numbers, then text, then what has no value
    const none = [null, undefined, "nan"];
    const kind = value => typeof value === "number" ? 0 : none.includes(value) ? 2 : 1;
    const order = [...trials].sort((one, two) => {
      const a = valueOf(one, by), b = valueOf(two, by);
      if (kind(a) !== kind(b)) return kind(a) - kind(b);
      const least = kind(a) === 0 ? a - b : kind(a) === 1 ? write(a).localeCompare(write(b)) : 0;
      return down ? -least : least;
    });
    body.append(...order.map(trial => trial.line));
    const way = name => name !== by ? "none" : down ? "descending" : "ascending";
    names.forEach((name, i) => headers[i].setAttribute("aria-sort", way(name)));
  }
  sort();
  updates.push(() => {
    for (const trial of trials) {
      trial.line.hidden = !trial.shown;
      trial.line.classList.toggle("pointed", trial === (hovered || pinned));
      trial.line.setAttribute("aria-current", trial === pinned);
    }
  });
}

function drawSettings() {
  const box = add(page, "aside", {"aria-label": "settings of a trial"});
  updates.push(() => {
    const trial = hovered || pinned;
    box.replaceChildren();
    if (!trial) {
      add(box, "p", {class: "hint"}, "Point at a line or a row to see the trial's settings; click to keep it.");
      return;
    }
    add(box, "h2", {}, `Trial ${write(trial.row.trial)}${trial === pinned ? ", kept" : ""}`);
    const list = add(box, "dl");
    const entries = Object.entries(trial.row).concat(trial.trend < 0 ? [] : [["trend", data.trends[trial.trend]]]);
    for (const [key, value] of entries) {
      if (key === "trial" || value === null) continue;
      add(list, "dt", key === data.metric ? {class: "metric"} : {}, key);
      add(list, "dd", {}, write(value));
    }
  });
}

function drawHead() {
  const head = add(page, "header");
  add(head, "h1", {}, data.title);
  const figures = trials.filter(trial => typeof trial.row[data.metric] === "number").length;
  const better = `${data.maximize ? "higher" : "lower"} is better`;
  const what = `${trials.length} trials, ${figures} with a figure for ${data.metric} (${better})`;
  add(head, "p", {}, `${data.source}: ${what}`);
  const line = add(head, "p");
  const count = add(line, "strong", {id: "count", role: "status"});
  const button = add(line, "button", {type: "button", id: "all"}, "show all");
  button.addEventListener("click", () => { brushes.clear(); hidden.clear(); pinned = null; update(); });
  updates.push(() => { // first of all, since the others ask which are shown
    for (const trial of trials) trial.shown = isShown(trial);
    count.textContent = `${trials.filter(trial => trial.shown).length} of ${trials.length} trials shown`;
    button.disabled = !brushes.size && !hidden.size && !pinned;
  });
}

drawHead();
if (!trials.length) add(page, "p", {}, "There are no trials.");
else {
  drawSettings();
  drawParallel();
  const both = add(page, "div", {class: "both"});
  drawCurves(both);
  drawShares(both);
}
if (data.notes.length) {
  const notes = add(page, "footer");
  for (const note of data.notes) add(notes, "p", {class: "hint"}, note);
}
if (trials.length) drawTable();
update();
