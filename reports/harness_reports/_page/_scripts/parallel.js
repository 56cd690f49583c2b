// Parallel coordinates: an axis a parameter, a line a trial. A reader drags along an axis to keep the trials that lie in a range.
// It is drawn here, because plotly's own kind needs "eval", which the page forbids.

const SHADES = 5; // of lines, from the worst score to the best
const LEAST_GAP = 108; // pixels between two axes; a narrow screen scrolls
const HEIGHT = 330;
const TOP = 42, BOTTOM = HEIGHT - 16; // of an axis
const AXIS_LEFT = 26;

/** Return the colour of a score from 0, the worst, to 1, the best. */
function shadeOf(quality) {
  return `var(--shade-${Math.min(SHADES - 1, Math.max(0, Math.floor(quality * SHADES)))})`;
}

/** Return the path of a trial through its places; it is broken where it lacks a parameter. */
function pathOf(places, x, y) {
  let pen = "M";
  const steps = places.map((place, axis) => {
    if (place === null) { pen = "M"; return ""; }
    const step = `${pen}${x(axis).toFixed(1)} ${y(place).toFixed(1)}`;
    pen = "L";
    return step;
  });
  return steps.join("");
}

/** Draw an axis with its name and its marks, and let a reader drag a range along it; `brushed` hears of the range. */
function drawAxis(svg, axis, left, y, brushed) {
  svg.append(draft("line", { x1: left, x2: left, y1: TOP, y2: BOTTOM, class: "stem" }));
  svg.append(draft("text", { x: left, y: 16, class: "name" }, axis.name));
  for (const [place, text] of axis.marks) svg.append(draft("text", { x: left + 6, y: y(place) + 4, class: "mark" }, text));
  const range = draft("rect", { x: left - 7, width: 14, y: 0, height: 0, class: "brush" });
  const field = draft("rect", { x: left - 16, width: 32, y: TOP - 8, height: BOTTOM - TOP + 16, class: "field" });
  svg.append(range, field);
  let start = null;
  const placeOf = (event) => {
    const box = svg.getBoundingClientRect();
    return Math.min(1, Math.max(0, (BOTTOM - (event.clientY - box.top) * (HEIGHT / box.height)) / (BOTTOM - TOP)));
  };
  const show = (low, high) => {
    range.setAttribute("y", y(high));
    range.setAttribute("height", Math.max(0, y(low) - y(high)));
    brushed(high - low < 0.01 ? null : [low, high]);
  };
  field.addEventListener("pointerdown", (event) => { start = placeOf(event); field.setPointerCapture(event.pointerId); show(0, 0); event.preventDefault(); });
  field.addEventListener("pointermove", (event) => { if (start !== null) show(Math.min(start, placeOf(event)), Math.max(start, placeOf(event))); });
  field.addEventListener("pointerup", () => { start = null; });
  return () => { range.setAttribute("height", 0); };
}

/** Draw parallel coordinates in an element; `figure.parallel` has axes {name, marks} and lines {places, quality, says}. */
function drawParallel(element, figure) {
  const { axes, lines } = figure.parallel;
  const width = Math.max(element.clientWidth - 2, LEAST_GAP * axes.length);
  const gap = (width - AXIS_LEFT - 74) / Math.max(1, axes.length - 1);
  const x = (axis) => AXIS_LEFT + gap * axis;
  const y = (place) => BOTTOM - place * (BOTTOM - TOP);
  const svg = draft("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, class: "parallel", role: "group", "aria-label": figure.title });
  const says = make("span", { className: "many", role: "status" });
  const ranges = axes.map(() => null);
  const ofTrial = (line) => {
    const path = pathOf(line.places, x, y);
    const group = draft("g", { class: "trial" }, draft("path", { d: path, class: "near" }), draft("path", { d: path, class: "line", style: `stroke: ${shadeOf(line.quality)}` }));
    group.addEventListener("pointerenter", () => { says.textContent = line.says; group.parentNode.append(group); });
    group.addEventListener("pointerleave", tell);
    return group;
  };
  const inside = (line) => ranges.every((range, axis) => !range || (line.places[axis] !== null && line.places[axis] >= range[0] && line.places[axis] <= range[1]));
  const groups = lines.map(ofTrial);
  const order = [...groups.keys()].sort((a, b) => lines[a].quality - lines[b].quality); // the best on top
  function tell() {
    const kept = lines.filter(inside);
    const best = kept.reduce((one, other) => (one && one.quality >= other.quality ? one : other), null);
    says.textContent = `${kept.length} of ${count(lines.length, "trial")}${best ? `; the best: ${best.says}` : ""}`;
  }
  function choose() {
    groups.forEach((group, place) => group.classList.toggle("out", !inside(lines[place])));
    tell();
  }
  svg.append(draft("g", {}, ...order.map((place) => groups[place])));
  const clears = axes.map((axis, place) => drawAxis(svg, axis, x(place), y, (range) => { ranges[place] = range; choose(); }));
  const clear = button("Clear ranges", {}, () => { ranges.fill(null); clears.forEach((each) => each()); choose(); });
  element.style.height = "auto";
  element.replaceChildren(make("div", { className: "bar inside" }, clear, says), make("div", { className: "wide" }, svg));
  choose();
}
