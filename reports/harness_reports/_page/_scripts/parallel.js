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

const STEP = 0.05; // of an axis, that an end of a range moves with a key
const KEYS = { ArrowUp: STEP, ArrowRight: STEP, ArrowDown: -STEP, ArrowLeft: -STEP, PageUp: 4 * STEP, PageDown: -4 * STEP };

/** Let a reader move the ends of a range with the keyboard: arrows the lower end, with Shift the upper one; Delete clears it. */
function withKeys(field, axis, show) {
  let ends = [0, 1];
  const say = () => {
    const whole = ends[0] === 0 && ends[1] === 1;
    const about = { "aria-valuenow": Math.round(100 * ends[0]), "aria-valuetext": whole ? "all" : `from ${Math.round(100 * ends[0])} % to ${Math.round(100 * ends[1])} % of the axis` };
    Object.entries(about).forEach(([key, value]) => field.setAttribute(key, value));
  };
  const fixed = { tabindex: 0, role: "slider", "aria-orientation": "vertical", "aria-valuemin": 0, "aria-valuemax": 100, "aria-label": `${axis.name}: lowest value kept; arrows move it, with Shift the highest, Delete keeps all` };
  Object.entries(fixed).forEach(([key, value]) => field.setAttribute(key, value));
  field.addEventListener("keydown", (event) => {
    if (event.key === "Delete" || event.key === "Backspace") ends = [0, 1];
    else if (event.key in KEYS) {
      const end = event.shiftKey ? 1 : 0;
      const moved = Math.min(1, Math.max(0, ends[end] + KEYS[event.key]));
      ends[end] = end ? Math.max(moved, ends[0] + STEP) : Math.min(moved, ends[1] - STEP);
      ends = ends.map((place) => Math.min(1, Math.max(0, Math.round(place / STEP) * STEP)));
    } else return;
    event.preventDefault();
    show(...ends);
  });
  say();
  return (low, high) => { ends = high - low < 0.01 ? [0, 1] : [low, high]; say(); };
}

/** Draw an axis with its name and its marks, and let a reader choose a range on it; `brushed` hears of the range. */
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
    const whole = high - low < 0.01 || (low === 0 && high === 1);
    range.setAttribute("y", y(high));
    range.setAttribute("height", whole ? 0 : Math.max(0, y(low) - y(high)));
    tell(low, high);
    brushed(whole ? null : [low, high]);
  };
  const tell = withKeys(field, axis, show);
  field.addEventListener("pointerdown", (event) => { start = placeOf(event); field.setPointerCapture(event.pointerId); show(0, 0); event.preventDefault(); });
  field.addEventListener("pointermove", (event) => { if (start !== null) show(Math.min(start, placeOf(event)), Math.max(start, placeOf(event))); });
  field.addEventListener("pointerup", () => { start = null; });
  return () => { range.setAttribute("height", 0); tell(0, 1); };
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
