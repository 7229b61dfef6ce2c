// The figures of the page of a study: parallel coordinates, curves, importances. Each adds to `updates`
// what it does when other trials are shown or pointed at, see study.js.

// Draws a line for each trial that has points, and one over them for the trial pointed at.
function lines(svg, pointsOf) {
  const group = add(svg, "g");
  const drawn = trials.map(trial => [trial, pointsOf(trial)]).filter(([, points]) => points);
  const paths = drawn.map(([trial, points]) => add(group, "path", {class: look(trial), d: path(points)}));
  const over = add(svg, "path", {class: "over"});
  svg.addEventListener("pointermove", event => {
    if (event.buttons) return;
    const {x, y} = position(event, svg);
    let found = null, least = 12;
    for (const [trial, points] of drawn) {
      const far = trial.shown ? distance(points, x, y) : Infinity;
      if (far < least) [found, least] = [trial, far];
    }
    if (found !== hovered) { hovered = found; update(); }
  });
  svg.addEventListener("pointerleave", () => { hovered = null; update(); });
  svg.addEventListener("click", () => { pinned = hovered === pinned ? null : hovered; update(); });
  updates.push(() => {
    const trial = hovered || pinned;
    drawn.forEach(([one], i) => paths[i].classList.toggle("off", !one.shown));
    const found = drawn.find(([one]) => one === trial);
    over.setAttribute("d", found ? path(found[1]) : "");
    over.setAttribute("class", found ? `${look(trial)} over` : "over");
  });
}

// -- parallel coordinates ------------------------------------------------------------------

function drawParallel() {
  const gap = 150, left = 70, top = 34, height = 260, below = top + height + 24;
  const width = left + gap * (data.axes.length - 1) + 90;
  const box = section(page, "parallel", "Hyperparameters and the metric");
  add(box, "p", {class: "hint"}, "Drag along an axis to keep a range; drag the range to move it, click "
    + "to clear it. With an axis in focus, arrows move, Shift and arrows resize, Escape clears.");
  const svg = add(add(box, "div", {class: "wide"}), "svg", {viewBox: `0 0 ${width} ${below + 14}`});
  Object.assign(svg.style, {minWidth: `${0.75 * width}px`, maxWidth: `${1.2 * width}px`});
  const xs = data.axes.map((_, i) => left + gap * i);
  for (const trial of trials) {
    trial.places = data.axes.map((axis, i) => {
      const share = shareOf(axis, trial);
      return [xs[i], share === null ? below : top + height * (1 - share)];
    });
  }
  lines(svg, trial => trial.places);
  data.axes.forEach((axis, i) => drawAxis(svg, axis, i, xs[i], {top, height, below}));
}

// How far up its axis a trial is; null: it has no place there.
function shareOf(axis, trial) {
  if (axis.scale === "choice") {
    const place = axis.places[trial.index];
    return place === null ? null : along(place, [0, axis.choices.length - 1], false);
  }
  const value = trial.row[axis.key], log = axis.scale === "log";
  return typeof value !== "number" || (log && value <= 0) ? null : along(value, axis.ends, log);
}

function drawAxis(svg, axis, number, x, {top, height, below}) {
  const log = axis.scale === "log", bottom = top + height;
  const group = add(svg, "g", {
    class: "axis", tabindex: 0, role: "slider", "aria-orientation": "vertical",
    "aria-label": `range of ${axis.key}`, "aria-valuemin": 0, "aria-valuemax": 100,
  });
  add(group, "text", {x, y: 14, class: axis.key === data.metric ? "metric" : ""}, axis.key);
  if (log) add(group, "text", {x, y: 26, class: "small"}, "log");
  add(group, "line", {x1: x, x2: x, y1: top, y2: bottom});
  const named = choice => isNaN(choice) ? choice : write(Number(choice));
  const labels = axis.scale === "choice"
    ? axis.choices.map((choice, i) => [named(choice), along(i, [0, axis.choices.length - 1], false)])
    : (axis.ends ? ticks(axis.ends, log) : []).map(value => [write(value), along(value, axis.ends, log)]);
  for (const [label, share] of labels) {
    const y = bottom - height * share;
    add(group, "line", {x1: x - 4, x2: x, y1: y, y2: y});
    add(group, "text", {x: x - 7, y: y + 4, class: "tick"}, label);
  }
  if (trials.some(trial => trial.places[number][1] === below)) {
    add(group, "text", {x: x - 7, y: below + 4, class: "tick none"}, "none");
  }
  const brush = add(group, "rect", {x: x - 9, width: 18, class: "brush"});
  const area = add(group, "rect", {x: x - 30, y: top - 8, width: 60, height: below - top + 16, class: "area"});
  const set = (a, b) => {
    brushes.set(number, [Math.max(Math.min(a, b), top - 8), Math.min(Math.max(a, b), below + 8)]);
    update();
  };
  const clear = () => { brushes.delete(number); update(); };
  let start = null, held = null, moved = false;
  area.addEventListener("pointerdown", event => {
    area.setPointerCapture(event.pointerId);
    start = position(event, svg).y;
    moved = false;
    const old = brushes.get(number);
    held = old && start >= old[0] && start <= old[1] ? old : null;
  });
  area.addEventListener("pointermove", event => {
    if (start === null) return;
    const {y} = position(event, svg);
    moved ||= Math.abs(y - start) > 3;
    if (moved && held) set(held[0] + y - start, held[1] + y - start);
    else if (moved) set(start, y);
  });
  const end = () => { if (start !== null && !moved) clear(); start = null; };
  area.addEventListener("pointerup", end);
  area.addEventListener("pointercancel", end);
  area.addEventListener("click", event => event.stopPropagation());
  area.addEventListener("mousedown", event => event.preventDefault()); // else it gets the focus
  group.addEventListener("keydown", event => {
    const step = {ArrowUp: -height / 20, ArrowDown: height / 20}[event.key];
    const [a, b] = brushes.get(number) || [top - 8, bottom];
    if (event.key === "Escape" || event.key === "Delete") clear();
    else if (step && event.shiftKey) set(Math.min(a + step, b - 1), b);
    else if (step) brushes.has(number) ? set(a + step, b + step) : set(a, top + height / 2);
    else return;
    event.preventDefault();
  });
  updates.push(() => {
    const [a, b] = brushes.get(number) || [0, 0];
    brush.setAttribute("y", a);
    brush.setAttribute("height", b - a);
    const kept = trials.filter(trial => isWithin(trial, number)).length;
    group.setAttribute("aria-valuenow", b ? Math.round(100 * (bottom - b) / height) : 0);
    group.setAttribute("aria-valuetext", b ? `a range with ${kept} trials` : "all");
  });
}

// -- curves, importances -------------------------------------------------------------------

function drawCurves(parent) {
  const {label, log, chance} = data.curves;
  const fits = value => value !== null && (!log || value > 0);
  const followed = trials.filter(({course}) => course && course.values.some(fits));
  if (!followed.length) return;
  const box = section(parent, "curves", `Course: ${label}`);
  const values = followed.flatMap(({course}) => course.values.filter(fits));
  if (chance !== null) values.push(chance);
  const low = values.reduce((a, b) => Math.min(a, b)), high = values.reduce((a, b) => Math.max(a, b));
  const last = Math.max(...followed.map(({course}) => course.epochs.at(-1)));
  drawLegend(box);
  const width = 640, height = 330, left = 56, bottom = height - 38, top = 8, right = width - 22;
  const x = epoch => left + (right - left) * epoch / last;
  const y = value => bottom - (bottom - top) * along(value, [low, high], log);
  const svg = add(box, "svg", {viewBox: `0 0 ${width} ${height}`, role: "img"});
  svg.setAttribute("aria-label", `${label}: ${followed.length} curves`);
  for (const value of ticks([low, high], log)) {
    add(svg, "line", {x1: left, x2: right, y1: y(value), y2: y(value), class: "grid"});
    add(svg, "text", {x: left - 6, y: y(value) + 4, class: "tick"}, write(value));
  }
  for (const epoch of ticks([0, last], false)) {
    add(svg, "text", {x: x(epoch), y: bottom + 16, class: "small"}, write(epoch));
  }
  add(svg, "text", {x: (left + right) / 2, y: height - 6, class: "small"}, "epoch");
  if (chance !== null) {
    add(svg, "line", {x1: left, x2: right, y1: y(chance), y2: y(chance), class: "chance"});
    add(svg, "text", {x: right, y: y(chance) + 13, class: "tick"}, "chance");
  }
  const point = (epoch, value) => fits(value) ? [x(epoch), y(value)] : null;
  lines(svg, ({course}) => course && course.epochs.map((epoch, i) => point(epoch, course.values[i])));
}

function drawLegend(box) {
  const legend = add(box, "div", {class: "legend", role: "group", "aria-label": "trends shown"});
  data.trends.forEach((name, number) => {
    const all = trials.filter(trial => trial.trend === number);
    const button = add(legend, "button", {type: "button"});
    const key = add(button, "svg", {viewBox: "0 0 28 8", width: 28, height: 8, "aria-hidden": true});
    add(key, "path", {d: "M0 4L28 4", class: `line trend-${number} key`});
    const text = add(button, "span");
    button.addEventListener("click", () => {
      if (!hidden.delete(number)) hidden.add(number);
      update();
    });
    updates.push(() => {
      button.setAttribute("aria-pressed", !hidden.has(number));
      text.textContent = `${name}: ${all.filter(trial => trial.shown).length} of ${all.length}`;
    });
  });
}

function drawShares(parent) {
  if (!data.shares.length) return;
  const log = data.axes.some(axis => axis.key === data.metric && axis.scale === "log");
  const figure = log ? `log ${data.metric}` : data.metric;
  const box = section(parent, "shares", `Importance: share of the variance of ${figure}`);
  const list = add(box, "dl");
  const most = Math.max(...data.shares.map(([, share]) => share)) || 1;
  for (const [key, share] of data.shares) {
    add(list, "dt", {}, key);
    const row = add(list, "dd");
    add(row, "span", {class: "bar"}).style.width = `${(75 * share / most).toFixed(1)}%`;
    add(row, "span", {}, `${(100 * share).toFixed(1)} %`);
  }
}
