// One seed highlighted in every figure: marks of one run carry the same `data-seed`.

const onPinned = new Set(); // views that show the same highlight
const marks = new Map(); // by seed
let pinned = "";
let lit = "";

/** Highlight a seed in all figures; "" shows all alike again. */
function light(seed) {
  if (seed === lit) return;
  (marks.get(lit) ?? []).forEach((mark) => mark.classList.remove("on"));
  (marks.get(seed) ?? []).forEach((mark) => mark.classList.add("on"));
  root.classList.toggle("lit", marks.has(seed));
  lit = marks.has(seed) ? seed : "";
}

/** Keep a seed highlighted until another one, or none, is chosen. */
function pin(seed) {
  pinned = seed;
  light(seed);
  onPinned.forEach((show) => show(seed));
  const choice = document.getElementById("seed");
  if (choice) choice.value = seed;
}

function seeds() {
  for (const mark of all("[data-seed]")) marks.set(mark.dataset.seed, [...(marks.get(mark.dataset.seed) ?? []), mark]);
  if (!marks.size) return;
  const under = (event) => event.target.closest?.("[data-seed]")?.dataset.seed ?? "";
  document.addEventListener("pointerover", (event) => light(under(event) || pinned));
  document.addEventListener("click", (event) => { if (under(event)) pin(under(event) === pinned ? "" : under(event)); });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape" && pinned) pin(""); });
  const nav = document.querySelector("nav");
  if (!nav) return;
  const option = (seed) => make("option", { value: seed }, seed || "Highlight a seed");
  const choice = make("select", { id: "seed", ariaLabel: "Highlight a seed in all figures" }, ...["", ...marks.keys()].map(option));
  choice.addEventListener("change", () => pin(choice.value));
  nav.append(make("span", { className: "seed" }, choice));
}
