// Tables: sorting, filtering by words and by ranges, pages, and files.

const ROWS = 50; // rows on one page of a table
const FEW = 12; // a table with fewer rows needs no filter
const EMPTY = ["", "–", "no", null, undefined];

/** Return the number at the beginning of a cell; NaN where there is none. */
function number(text) {
  const found = /^(?:by |p |t |> |≥ |< )?([-−+]?[\d,]*\.?\d+(?:e[-+]?\d+)?|[-−+]?inf)(?![\w-])/i.exec(text);
  if (!found) return NaN;
  const plain = found[1].replaceAll(",", "").replace("−", "-");
  return /inf/i.test(plain) ? (plain.startsWith("-") ? -Infinity : Infinity) : Number(plain);
}

const size = (key) => (typeof key === "number" ? key : number(String(key ?? "")));

/** Return whether all values of a column that are there are numbers, and any is. */
function numeric(values) {
  const there = values.filter((value) => !EMPTY.includes(value));
  return there.length > 0 && there.every((value) => !Number.isNaN(size(value)));
}

/** Return the words of a cell without what stands small below them or beside them. */
const own = (cell) => [...cell.childNodes].filter((node) => node.nodeName !== "SMALL" && node.nodeName !== "BR" && !node.classList?.contains("state") && !node.classList?.contains("anchor"));
const shown = (cell) => own(cell).map((node) => node.textContent).join("").replace(/\s+/g, " ").trim();
const beside = (cell) => all("small, .state", cell).map((node) => node.textContent.trim()).filter(Boolean);
const titleOf = (head) => shown(head).replace(/\s*[↕↑↓]$/, "");

/** Return what a table holds, in words: its name, its caption, or the heading above it. */
function nameOf(table) {
  const given = table.dataset.name || table.caption?.textContent.trim();
  if (given) return given;
  const above = all("h2, h3, h4, summary", table.closest("section") || document).filter((head) => head.compareDocumentPosition(table) & Node.DOCUMENT_POSITION_FOLLOWING);
  return above.length ? shown(above.at(-1)) : "table";
}

/** Return a row of the page as an object. */
function ofPage(tr) {
  const cells = [...tr.cells];
  const keys = cells.map((cell) => cell.dataset.sort ?? shown(cell));
  return { keys, text: cells.map((cell) => cell.textContent).join(" "), cells, value: (column) => size(keys[column.place]), element: () => tr };
}

/** Compare two keys: numbers by size, and anything that is not a number last in either direction. */
function before(one, other, asNumbers, way) {
  if (!asNumbers) return way * words.compare(String(one), String(other));
  const [a, b] = [one, other].map(size);
  if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
  return way * (a < b ? -1 : a > b ? 1 : 0);
}

// --- filters ---------------------------------------------------------------------------------------------------

const CONDITION = /(<=|>=|!=|≤|≥|≠|=|<|>)\s*([-−+]?(?:[\d,]*\.?\d+)(?:e[-+]?\d+)?)\s*%?/giu;
const FITS = {
  "<": (a, b) => a < b, ">": (a, b) => a > b, "<=": (a, b) => a <= b, ">=": (a, b) => a >= b, "=": (a, b) => a === b,
  "!=": (a, b) => a !== b, "≤": (a, b) => a <= b, "≥": (a, b) => a >= b, "≠": (a, b) => a !== b,
};

/** Return the column that a reader means: by its whole name, or by a beginning that no other column has. */
function columnOf(columns, text) {
  const asked = text.toLowerCase();
  const exact = columns.find((column) => column.names.includes(asked));
  if (exact || !asked) return exact;
  const beginning = columns.filter((column) => column.names.some((name) => name.startsWith(asked)));
  return beginning.length === 1 ? beginning[0] : undefined;
}

/** Return what a reader typed as words and conditions: `adam lr > 0.1` is the word adam, and a condition on a column. */
function parsed(text, columns) {
  const asked = { words: [], conditions: [], unknown: [] };
  let from = 0;
  for (const found of text.matchAll(CONDITION)) {
    const left = text.slice(from, found.index).split(/[\s,;]+/).filter(Boolean);
    from = found.index + found[0].length;
    const first = left.findIndex((_, place) => columnOf(columns, left.slice(place).join(" ")));
    if (first < 0) asked.unknown.push(left.at(-1) ?? found[1]);
    else {
      asked.words.push(...left.slice(0, first));
      asked.conditions.push({ column: columnOf(columns, left.slice(first).join(" ")), fits: FITS[found[1]], limit: size(found[2]) });
    }
  }
  asked.words.push(...text.slice(from).split(/[\s,;]+/));
  asked.words = asked.words.map((word) => word.toLowerCase()).filter(Boolean);
  return asked;
}

/** Return whether a row has all words, and a number within every range. */
function fitting(row, asked) {
  row.low ??= row.text.toLowerCase();
  return asked.words.every((word) => row.low.includes(word)) && asked.conditions.every(({ column, fits, limit }) => fits(row.value(column), limit));
}

// --- files -----------------------------------------------------------------------------------------------------

const VALUE = /^([-−+]?[\d,]*\.?\d+(?:e[-+]?\d+)?)(?:\s(%|points|nats|s))?$/i;
const ENDS = /^([-−+]?[\d,]*\.?\d+(?:e[-+]?\d+)?) to ([-−+]?[\d,]*\.?\d+(?:e[-+]?\d+)?)/i;
const bare = (text) => text.replaceAll(",", "").replace("−", "-");

/** Return the columns of a file for one column of a table: one value a cell, the ends of an interval and remarks apart. */
function separated(title, cells) {
  const mains = cells.map((cell) => (cell ? shown(cell) : ""));
  const found = mains.map((text) => VALUE.exec(text));
  const units = new Set(found.filter(Boolean).map((match) => match[2] ?? ""));
  const plain = units.size === 1 && mains.every((text, place) => found[place] || EMPTY.includes(text));
  const unit = plain ? [...units][0] : "";
  const columns = [[unit && !title.endsWith(unit) ? `${title}, ${unit}` : title, ...mains.map((text, place) => (plain ? (found[place] ? bare(found[place][1]) : "") : text))]];
  const ends = cells.map((cell) => (cell ? beside(cell).map((text) => ENDS.exec(text)).find(Boolean) : null));
  if (ends.some(Boolean)) for (const [place, end] of [[1, "low"], [2, "high"]]) columns.push([`${title}: ${end}`, ...ends.map((match) => (match ? bare(match[place]) : ""))]);
  const remarks = cells.map((cell) => (cell ? beside(cell).filter((text) => !ENDS.test(text)).join("; ") : ""));
  if (remarks.some(Boolean)) columns.push([`${title}: remark`, ...remarks]);
  return columns;
}

/** Return the lines of a file for rows of the page. */
function linesOf(titles, rows) {
  const columns = titles.flatMap((title, place) => separated(title, rows.map((row) => row.cells[place])));
  return [0, ...rows.keys()].map((_, line) => columns.map((column) => column[line])).slice(0, rows.length + 1);
}

// --- a table ---------------------------------------------------------------------------------------------------

/** Return 1 where a first click shall sort a column from low to high, -1 from high to low: the best first. */
function firstWay(head) {
  const best = head.dataset.best || (/higher is better/.test(head.textContent) ? "max" : "min");
  return best === "max" ? -1 : 1;
}

/** Return the columns that hold numbers, with the names that a reader may type for each. */
function numberColumns(titles, rows) {
  const columns = titles.map((title, place) => ({ place, names: [title.toLowerCase(), title.toLowerCase().replace(/,[^,]*$/, "")], title: title.replace(/,[^,]*$/, "") }));
  return columns.filter((column) => column.title && numeric(rows.map((row) => row.keys[column.place])));
}

/** Let a table sort, filter and turn pages; its rows are {keys, text, value(column), element()}. */
function enliven(table, rows, name, { lines, columns } = {}) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[0].cells];
  const titles = heads.map(titleOf);
  if (table.matches(".board")) for (const row of rows) row.cells.forEach((cell, place) => Object.assign(cell.dataset, { label: titles[place] }, cell.textContent.trim() === "–" && { nothing: "" })); // a narrow screen has no columns
  const state = { sort: -1, way: 1, asked: parsed("", []), page: 0 };
  const ranges = columns ?? numberColumns(titles, rows);
  const many = make("span", { className: "many", role: "status" });
  const turn = (step) => () => { state.page += step; show(); };
  const back = button("‹ Back", { className: "turn" }, turn(-1));
  const on = button("Next ›", { className: "turn" }, turn(1));
  const short = ranges.map((column) => column.names.at(-1)).find((title) => title.length < 9);
  const filter = make("input", { type: "search", placeholder: short ? `Words, or ${short} > 0.1` : ranges.length ? "Words, or a range" : "Words", ariaLabel: `Filter ${name}`, title: ranges.length ? `Words, and ranges of ${ranges.map((column) => column.title).join(", ")}` : "Words" });
  let found = rows;

  function choose() {
    found = rows.filter((row) => fitting(row, state.asked));
    if (state.sort >= 0) {
      const asNumbers = numeric(rows.map((row) => row.keys[state.sort]));
      found.sort((a, b) => before(a.keys[state.sort], b.keys[state.sort], asNumbers, state.way));
    }
    state.page = 0;
  }

  function say(pages) {
    const some = found.length < rows.length ? `${found.length.toLocaleString("en-US")} of ` : "";
    const page = pages > 1 ? `, page ${state.page + 1} of ${pages}` : "";
    const unknown = state.asked.unknown.map((word) => `no column of numbers is called “${word}”`).join("; ");
    many.textContent = unknown ? `${unknown}; there is ${ranges.map((column) => column.title).join(", ")}` : `${some}${count(rows.length, "row")}${page}`;
  }

  function show() {
    const pages = Math.max(1, Math.ceil(found.length / ROWS));
    state.page = Math.min(Math.max(state.page, 0), pages - 1);
    const none = make("tr", { className: "none" }, make("td", { colSpan: heads.length }, "No row fits this filter."));
    body.replaceChildren(...(found.length ? found.slice(state.page * ROWS, (state.page + 1) * ROWS).map((row) => row.element()) : [none]));
    say(pages);
    back.hidden = on.hidden = pages === 1;
    back.disabled = state.page === 0;
    on.disabled = state.page === pages - 1;
  }

  /** Sort a column: its best first, then its worst first, then in the first order of the table. */
  function sortBy(place, head) {
    const way = firstWay(head);
    if (state.sort !== place) Object.assign(state, { sort: place, way });
    else if (state.way === way) state.way = -way;
    else state.sort = -1;
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    if (state.sort >= 0) head.setAttribute("aria-sort", state.way > 0 ? "ascending" : "descending");
    choose();
    show();
  }

  heads.forEach((head, place) => {
    if (head.dataset.unsorted !== undefined || rows.length < 2 || !head.textContent.trim()) return;
    const sort = button("", { className: "sort" }, () => sortBy(place, head));
    sort.append(...head.childNodes);
    head.append(sort);
  });
  let waiting = 0;
  filter.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => { state.asked = parsed(filter.value, ranges); choose(); show(); }, 80);
  });
  const keep = () => save(`${slug(document.body.dataset.name)}-${slug(name)}.csv`, "text/csv", csv(lines ? lines(found) : linesOf(titles, found)));
  const rest = button("CSV", { className: "save", title: `Save ${name} as CSV`, ariaLabel: `Save ${name} as CSV` }, keep);
  const bar = make("div", { className: rows.length > FEW ? "bar" : "bar lone" }, ...(rows.length > FEW ? [filter, many, back, on] : []), rest);
  (table.closest(".scroll") || table).before(bar);
  show();
}

function tables() {
  for (const table of all("table.board, table.plain")) {
    const rows = all(":scope > tbody > tr", table);
    if (table.id !== "trials" && rows.length && table.tHead) enliven(table, rows.map(ofPage), nameOf(table));
  }
  const scrolling = new ResizeObserver((changed) => changed.forEach(({ target }) => {
    if (target.scrollWidth > target.clientWidth + 1) target.tabIndex = 0; // so that arrow keys scroll it
    else target.removeAttribute("tabindex");
  }));
  all(".scroll").forEach((element) => scrolling.observe(element));
}

// --- every trial -----------------------------------------------------------------------------------------------

/** Return a small curve; its heights are from 0 to 99, one an epoch. */
function spark(points, color) {
  const step = points.length > 1 ? 100 / (points.length - 1) : 0;
  const at = points.map((point, i) => `${(i * step).toFixed(1)},${(24 - point * 24 / 99).toFixed(1)}`);
  const line = draft("polyline", { points: (at.length > 1 ? at : [...at, `1,${at[0].split(",")[1]}`]).join(" "), style: `stroke: ${color}` });
  return draft("svg", { viewBox: "-2 -2 104 28", class: "spark", "aria-hidden": "true" }, line);
}

/** Return the columns by whose ranges trials can be filtered: those of the table, and every parameter. */
function trialColumns(data, title) {
  const fixed = [["replicate", 1], ["trial", 2], [title, 4], ["confirmed", 5], ["learning rate", 6], ["epochs", 7], ["seconds", 8]];
  const columns = fixed.map(([name, place]) => ({ title: name, names: [name], place }));
  columns[2].names.push("score");
  columns[4].names.push("lr");
  const params = [...new Set(data.arms.flatMap((about) => about.params))];
  return [...columns, ...params.map((name) => ({ title: name, names: [name.toLowerCase()], param: name }))];
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
    const settings = Object.fromEntries(params.map((value, i) => [about.params[i], value]));
    const sizes = [NaN, replicate, trial, NaN, size(score[1]), size(confirmed[1]), rate[0] ?? NaN, epochs ?? NaN, seconds[0] ?? NaN]; // as they read
    return {
      keys: [about.label, replicate, trial, data.states[state], score[0], confirmed[0], rate[0], epochs, seconds[0], values, 0, reason, run],
      text: `${about.label} ${cells.join(" ")} ${reason} ${run}${chosen ? " chosen" : ""}`,
      params: settings,
      value: (column) => ("param" in column ? size(settings[column.param]) : sizes[column.place]),
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
  enliven(table, rows, "trials", { lines, columns: trialColumns(data, titleOf(table.tHead.rows[0].cells[4]).toLowerCase()) });
}
