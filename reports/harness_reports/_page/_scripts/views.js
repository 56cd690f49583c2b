// Interactive views, which plotly.js draws when a reader opens them, or this script where plotly would need "eval".

const PLOTLY = { // no logo with a link, no "Share chart", and no address to send a chart to or to load a map from
  responsive: true, displaylogo: false, showSendToCloud: false, plotlyServerURL: "", topojsonURL: "",
};
const HUES = 10; // colours of lines without one of their own

const drawn = new Map(); // the figure of every opened view, by the element that it is drawn in
const opened = new Set();
let figures = null;
let loading = null;

/** Unpack plotly and run it, once; the policy of the page lets this text run and no other. */
function plotly() {
  loading ??= (async () => {
    document.head.append(make("script", { textContent: await unpacked(document.getElementById("plotly").textContent.trim()) }));
    if (!window.Plotly) throw new Error("plotly did not start");
    window.Plotly.setPlotConfig(PLOTLY); // holds for every figure, also for one that is drawn later
    return window.Plotly;
  })();
  return loading;
}

/** Return a figure in which the variables of the style sheet are the colours that they stand for now. */
function inColors(value, style) {
  if (typeof value === "string") return /^var\(--[\w-]+\)$/.test(value) ? style.getPropertyValue(value.slice(4, -1)).trim() : value;
  if (Array.isArray(value)) return typeof value[0] === "number" ? value : value.map((item) => inColors(item, style));
  if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, inColors(item, style)]));
  return value;
}

/** Return a layout in the colours of the page; on a narrow screen its legend is below the figure. */
function themed(layout, width) {
  const style = getComputedStyle(root);
  const [ink, muted, grid, surface] = ["ink", "muted", "grid", "surface"].map((name) => style.getPropertyValue(`--${name}`).trim());
  const axis = { gridcolor: grid, linecolor: grid, zerolinecolor: grid, tickfont: { color: muted }, automargin: true };
  const room = { gridcolor: grid, zerolinecolor: grid, color: muted, backgroundcolor: surface };
  const own = {
    paper_bgcolor: surface, plot_bgcolor: surface, font: { color: ink, family: "system-ui, sans-serif", size: 12 },
    hoverlabel: { bgcolor: surface, bordercolor: muted, font: { color: ink }, align: "left" }, hovermode: "closest",
    margin: { l: 60, r: 20, t: 28, b: 50 }, uirevision: "kept", modebar: { bgcolor: surface, color: muted, activecolor: ink },
    xaxis: {}, yaxis: {}, ...inColors(layout, style),
    colorway: [...Array(HUES).keys()].map((place) => style.getPropertyValue(`--hue-${place}`).trim()),
  };
  own.legend = { bgcolor: surface, ...own.legend, ...(width < 560 ? { orientation: "h", y: -0.2 } : {}) };
  for (const key of Object.keys(own)) {
    if (/^[xy]axis\d*$/.test(key)) own[key] = { ...axis, ...own[key] };
    if (/^scene\d*$/.test(key)) own[key] = { ...own[key], ...Object.fromEntries(["xaxis", "yaxis", "zaxis"].map((name) => [name, { ...room, ...own[key][name] }])) };
  }
  return own;
}

async function draw(details) {
  const place = details.querySelector(".plot");
  if (opened.has(place)) return;
  opened.add(place);
  place.textContent = "Drawing …";
  figures ??= read(document.getElementById("views"));
  const figure = (await figures)[Number(details.dataset.view)];
  drawn.set(place, figure);
  await new Promise((then) => requestAnimationFrame(() => setTimeout(then))); // so that the browser shows these words first
  try {
    if (figure.parallel) drawParallel(place, figure);
    else {
      const library = await plotly();
      place.textContent = "";
      const file = { format: "svg", filename: `${slug(document.body.dataset.name)}-${slug(figure.title)}` };
      const traces = inColors(figure.data, getComputedStyle(root));
      await library.newPlot(place, traces, themed(figure.layout, place.clientWidth), { toImageButtonOptions: file });
      followSeeds(place, figure);
    }
    place.dataset.drawn = "yes";
  } catch (error) {
    place.textContent = `This browser cannot draw it: ${error.message}`;
  }
}

/** Let a view and the figures highlight the same seed. */
function followSeeds(place, figure) {
  const seedOf = (trace, point) => trace.ids?.[point] ?? trace.meta?.seed;
  if (!figure.data.some((trace) => trace.ids || trace.meta?.seed)) return;
  place.on("plotly_hover", ({ points: [point] }) => light(seedOf(figure.data[point.curveNumber], point.pointNumber) ?? ""));
  place.on("plotly_unhover", () => light(pinned));
  const follow = (seed) => {
    const chosen = figure.data.map((trace) => (!seed ? null : trace.ids ? trace.ids.flatMap((id, i) => (id === seed ? [i] : [])) : null));
    const opacity = figure.data.map((trace) => (!seed || trace.ids || trace.meta?.seed === seed ? 1 : 0.1));
    window.Plotly.restyle(place, { selectedpoints: chosen, opacity });
  };
  onPinned.add(follow);
  if (pinned) follow(pinned);
}

/** Draw every opened view again in the colours of the page. */
function repaint() {
  for (const [place, figure] of drawn) {
    if (!place.dataset.drawn || figure.parallel) continue;
    window.Plotly.react(place, inColors(figure.data, getComputedStyle(root)), themed(figure.layout, place.clientWidth));
  }
}
