// What the page can do: change its theme, sort, filter and page its tables, save figures and tables, draw interactive views.
// Without this script everything can still be read. Names reach the page only as text nodes, never as markup.
"use strict";
(() => {
  const ROWS = 50; // rows on one page of a table
  const FEW = 12; // a table with fewer rows needs no filter
  const PLOTLY = { // no logo with a link, no "Share chart", and no address to send a chart to or to load a map from
    responsive: true, displaylogo: false, showSendToCloud: false, plotlyServerURL: "", topojsonURL: "",
  };
  const COLORS = ["#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#ca9161", "#56b4e9", "#fbafe4", "#949494"]; // of lines without a colour
  const root = document.documentElement;

  // --- small helpers ---------------------------------------------------------------------------------------------

  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const words = new Intl.Collator("en", { numeric: true });
  const count = (many, what) => `${many.toLocaleString("en-US")} ${what}${many === 1 ? "" : "s"}`;

  /** Return a new element with these properties and children; strings become text. */
  function make(tag, about = {}, ...children) {
    const element = Object.assign(document.createElement(tag), about);
    element.append(...children);
    return element;
  }

  /** Return a text that was packed as gzip in base64. */
  function unpacked(text) {
    const packed = Uint8Array.from(atob(text), (sign) => sign.charCodeAt(0));
    return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  }

  /** Return the JSON of an element, which is packed where it is long. */
  async function read(element) {
    const text = element.textContent.trim();
    return JSON.parse(/^[[{]/.test(text) ? text : await unpacked(text));
  }

  const button = (text, about, act) => {
    const made = make("button", { type: "button", ...about }, text);
    made.addEventListener("click", act);
    return made;
  };

  const slug = (text) => text.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "").slice(0, 60).toLowerCase() || "figure";

  /** Offer a text as a file to save; nothing is sent anywhere. */
  function save(name, type, text) {
    const url = URL.createObjectURL(new Blob([text], { type }));
    const link = make("a", { href: url, download: name });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  }

  const NUMBER = /^(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?|[+-]?(?:inf|nan))$/i;
  const FORMULA = /(^|;)(?='*[\t\r\n]|[\s\u200b\ufeff']*[=+\-@\uff0b\uff0d\uff1d\uff20])/g;

  /** Return a text; one that a spreadsheet would compute gets an apostrophe before it, as by spreadsheet_cell() in safe_text.py. */
  const inert = (text) => NUMBER.test(text) ? text : text.replace(FORMULA, "$1'");

  /** Return rows as CSV (RFC 4180). */
  function csv(rows) {
    const cell = (value) => {
      const text = value === null || value === undefined ? "" : typeof value === "number" ? String(value) : inert(String(value));
      return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
    };
    return rows.map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n";
  }

  // --- theme -----------------------------------------------------------------------------------------------------

  const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";

  function remembered(value) {
    try { // a browser may refuse storage to a page that is a file
      if (value === undefined) return localStorage.getItem("theme");
      localStorage.setItem("theme", value);
    } catch { /* the theme then lasts until the page is closed */ }
    return null;
  }

  function themes() {
    const known = remembered();
    if (known === "dark" || known === "light") root.dataset.theme = known;
    const toggle = document.getElementById("theme");
    const say = () => {
      toggle.textContent = dark() ? "Light" : "Dark";
      toggle.title = `Show the page in ${dark() ? "light" : "dark"} colours`;
    };
    toggle.hidden = false;
    toggle.addEventListener("click", () => {
      root.dataset.theme = dark() ? "light" : "dark";
      remembered(root.dataset.theme);
      say();
      repaint();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { say(); repaint(); });
    say();
  }

  // --- tables ----------------------------------------------------------------------------------------------------

  /** Return the number at the beginning of a cell; NaN where there is none. */
  function number(text) {
    const found = /^(?:by |p |t |> |≥ |< )?([-−+]?[\d,]*\.?\d+(?:e[-+]?\d+)?|[-−+]?inf)(?![\w-])/i.exec(text);
    if (!found) return NaN;
    const plain = found[1].replaceAll(",", "").replace("−", "-");
    return /inf/i.test(plain) ? (plain.startsWith("-") ? -Infinity : Infinity) : Number(plain);
  }

  /** Return the first line of a cell, without the interval below it, or the whole cell on one line. */
  const shown = (cell) => [...cell.childNodes].filter((node) => node.nodeName !== "SMALL").map((node) => node.textContent).join("").trim();
  const whole = (cell) => [...cell.childNodes].map((node) => node.textContent.trim()).filter(Boolean).join(" ");

  /** Return a row of the page as an object. */
  function ofPage(tr) {
    const row = { keys: [...tr.cells].map((cell) => cell.dataset.sort ?? shown(cell)), element: () => tr };
    row.line = [...tr.cells].map(whole); // for the CSV
    row.text = row.line.join(" ");
    return row;
  }

  /** Compare two keys: numbers by size, and anything that is not a number last in either direction. */
  function before(one, other, numeric, way) {
    if (!numeric) return way * words.compare(String(one), String(other));
    const [a, b] = [one, other].map((key) => (typeof key === "number" ? key : number(String(key ?? ""))));
    if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
    return way * (a < b ? -1 : a > b ? 1 : 0);
  }

  /** Let a table sort, filter and turn pages; its rows are {keys, text, element()}. */
  function enliven(table, rows, name, lines) {
    const body = table.tBodies[0];
    const heads = [...table.tHead.rows[0].cells];
    const state = { sort: -1, way: 1, words: [], page: 0 };
    const many = make("span", { className: "many", role: "status" });
    const turn = (step) => () => { state.page += step; show(); };
    const back = button("‹ Back", { className: "turn" }, turn(-1));
    const on = button("Next ›", { className: "turn" }, turn(1));
    const filter = make("input", { type: "search", placeholder: "Filter rows", ariaLabel: `Filter ${name}` });
    const titles = heads.map(whole);
    let found = rows;

    function choose() {
      const fits = (row) => { row.low ??= row.text.toLowerCase(); return state.words.every((word) => row.low.includes(word)); };
      found = state.words.length ? rows.filter(fits) : [...rows];
      if (state.sort >= 0) {
        const keys = rows.map((row) => row.keys[state.sort]).filter((key) => !["", "–", "no", null].includes(key));
        const numeric = keys.length > 0 && keys.every((key) => typeof key === "number" || !Number.isNaN(number(String(key))));
        found.sort((a, b) => before(a.keys[state.sort], b.keys[state.sort], numeric, state.way));
      }
      state.page = 0;
    }

    function show() {
      const pages = Math.max(1, Math.ceil(found.length / ROWS));
      state.page = Math.min(Math.max(state.page, 0), pages - 1);
      body.replaceChildren(...found.slice(state.page * ROWS, (state.page + 1) * ROWS).map((row) => row.element()));
      const some = found.length < rows.length ? `${found.length.toLocaleString("en-US")} of ` : "";
      many.textContent = `${some}${count(rows.length, "row")}${pages > 1 ? `, page ${state.page + 1} of ${pages}` : ""}`;
      back.hidden = on.hidden = pages === 1;
      back.disabled = state.page === 0;
      on.disabled = state.page === pages - 1;
    }

    heads.forEach((head, place) => {
      if (head.dataset.unsorted !== undefined) return;
      const sort = button("", { className: "sort" }, () => {
        state.way = state.sort === place ? -state.way : 1;
        state.sort = place;
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", state.way > 0 ? "ascending" : "descending");
        choose();
        show();
      });
      sort.append(...head.childNodes);
      head.append(sort);
    });
    let waiting = 0;
    filter.addEventListener("input", () => {
      clearTimeout(waiting);
      waiting = setTimeout(() => { state.words = filter.value.toLowerCase().split(/\s+/).filter(Boolean); choose(); show(); }, 80);
    });
    const keep = () => save(`${slug(name)}.csv`, "text/csv", csv(lines ? lines(found) : [titles, ...found.map((row) => row.line)]));
    const rest = button("CSV", { className: "save", title: "Save these rows as CSV" }, keep);
    const bar = make("div", { className: "bar" }, ...(rows.length > FEW ? [filter, many, back, on] : []), rest);
    (table.closest(".scroll") || table).before(bar);
    show();
  }

  function tables() {
    for (const table of all("table.board, table.plain")) {
      const rows = all(":scope > tbody > tr", table);
      if (table.id === "trials" || !rows.length || !table.tHead) continue;
      enliven(table, rows.map(ofPage), table.dataset.name || "table");
    }
  }

  // --- every trial -----------------------------------------------------------------------------------------------

  /** Return a small curve; its heights are from 0 to 99, one an epoch. */
  function spark(points, color) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "-2 -2 104 28");
    svg.setAttribute("class", "spark");
    const step = points.length > 1 ? 100 / (points.length - 1) : 0;
    const at = points.map((point, i) => `${(i * step).toFixed(1)},${(24 - point * 24 / 99).toFixed(1)}`);
    const line = document.createElementNS(svg.namespaceURI, "polyline");
    line.setAttribute("points", (at.length > 1 ? at : [...at, `1,${at[0].split(",")[1]}`]).join(" "));
    line.setAttribute("stroke", color);
    svg.append(line);
    return svg;
  }

  async function trials() {
    const table = document.getElementById("trials");
    const source = document.getElementById("trial-data");
    if (!table || !source) return;
    const data = await read(source);
    const names = ["arm", "replicate", "trial", "state", "score", "confirmed", "lr", "epochs", "seconds"];
    const rows = data.rows.map(([arm, replicate, trial, state, score, confirmed, rate, epochs, seconds, params, reason, run, curve, chosen]) => {
      const about = data.arms[arm];
      const values = params.map((value, i) => `${about.params[i]} ${value}`).join(", ");
      const cells = [replicate, trial + (chosen ? " ◀" : ""), data.states[state], score[1], confirmed[1], rate[1], epochs, seconds[1], values];
      return {
        keys: [about.label, replicate, trial, data.states[state], score[0], confirmed[0], rate[0], epochs, seconds[0], values, 0, reason, run],
        text: `${about.label} ${cells.join(" ")} ${reason} ${run}${chosen ? " chosen" : ""}`,
        params: Object.fromEntries(params.map((value, i) => [about.params[i], value])),
        element() { // made when the table shows it, and not stored
          const plain = cells.map((text, i) => make("td", { className: i === 8 ? "wrap" : "" }, String(text ?? "–")));
          const line = make("td", {}, ...(curve.length ? [spark(curve, about.color)] : ["–"]));
          const end = [make("td", { className: reason ? "wrap" : "" }, reason), make("td", { className: "mono" }, run)];
          return make("tr", { className: chosen ? "chosen" : "" }, make("td", {}, about.label), ...plain, line, ...end);
        },
      };
    });
    const lines = (found) => {
      const params = [...new Set(found.flatMap((row) => Object.keys(row.params)))];
      const line = (row) => [...row.keys.slice(0, 9), ...params.map((name) => row.params[name]), row.keys[11], row.keys[12]];
      return [[...names, ...params, "reason", "run"], ...found.map(line)];
    };
    all("[data-without-script]").forEach((element) => element.remove());
    enliven(table, rows, "trials", lines);
  }

  // --- downloads -------------------------------------------------------------------------------------------------

  /** Return a figure as a file of its own, with the colours and the font of the page written into it. */
  function standalone(svg) {
    const copy = svg.cloneNode(true);
    const [, , width, height] = svg.getAttribute("viewBox").split(/\s+/);
    const ground = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    const about = { width: "100%", height: "100%", fill: "var(--surface)" };
    Object.entries(about).forEach(([key, value]) => ground.setAttribute(key, value));
    all("metadata", copy).forEach((element) => element.remove());
    copy.prepend(ground);
    copy.setAttribute("width", width);
    copy.setAttribute("height", height);
    copy.setAttribute("style", "font-family: system-ui, sans-serif; stroke-linejoin: round");
    const style = getComputedStyle(root);
    return new XMLSerializer().serializeToString(copy).replace(/var\((--[\w-]+)\)/g, (_, name) => style.getPropertyValue(name).trim());
  }

  function downloads() {
    const page = slug(document.body.dataset.name);
    for (const svg of all("svg[role=img]")) {
      const title = svg.getAttribute("aria-label");
      const name = `${page}-${slug(title)}`;
      const bar = make("div", { className: "bar under" });
      bar.append(button("SVG", { className: "save", title: "Save this figure as SVG" }, () => save(`${name}.svg`, "image/svg+xml", standalone(svg))));
      const data = svg.querySelector("metadata");
      if (data) {
        const act = async () => { const { columns, rows } = await read(data); save(`${name}.csv`, "text/csv", csv([columns, ...rows])); };
        bar.append(button("CSV", { className: "save", title: "Save this figure's data as CSV" }, act));
      }
      svg.after(bar);
    }
  }

  // --- interactive views -----------------------------------------------------------------------------------------

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
      xaxis: {}, yaxis: {}, colorway: COLORS, ...layout,
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
      const library = await plotly();
      place.textContent = "";
      const file = { format: "svg", filename: slug(figure.title) };
      await library.newPlot(place, figure.data, themed(figure.layout, place.clientWidth), { toImageButtonOptions: file });
      place.dataset.drawn = "yes";
    } catch (error) {
      place.textContent = `This browser cannot draw it: ${error.message}`;
    }
  }

  /** Draw every opened view again in the colours of the page. */
  function repaint() {
    for (const [place, figure] of drawn) if (place.dataset.drawn) window.Plotly.react(place, figure.data, themed(figure.layout, place.clientWidth));
  }

  window.open = () => null; // the page needs no other window, and no policy forbids a script to open one
  themes();
  tables();
  downloads();
  document.addEventListener("toggle", ({ target }) => { if (target.open && target.matches?.("details[data-view]")) draw(target); }, true);
  trials().finally(() => { root.dataset.live = "yes"; });
})();
