// Photos: a click shows one larger, with its label and what the arms say about it.

const larger = make("dialog", { className: "larger" });

/** Show a photo in the dialog, with the words that describe it and its whole name. */
function enlarge(thumb) {
  const [, uri] = /^url\("?(data:[^"]+)"?\)$/.exec(getComputedStyle(thumb).backgroundImage) ?? [];
  if (!uri) return;
  const group = thumbsBeside(thumb);
  const step = (by) => () => enlarge(group[(group.indexOf(thumb) + by + group.length) % group.length]);
  const bar = make("div", { className: "bar" }, button("‹ Back", {}, step(-1)), button("Next ›", {}, step(1)), button("Close", { className: "save" }, () => larger.close()));
  const said = thumb.getAttribute("aria-label");
  const lines = said.split("; ").map((line) => make("p", {}, line));
  larger.replaceChildren(bar, make("img", { src: uri, alt: said }), ...lines, make("p", { className: "small" }, thumb.title));
  if (!larger.open) larger.showModal();
  larger.onclose = () => thumb.focus();
}

const thumbsBeside = (thumb) => all(".thumb[tabindex]", thumb.closest(".photos") ?? document.body);

function photos() {
  for (const group of all(".photos")) {
    all(".thumb:not(.none)", group).forEach((thumb, place) => {
      thumb.tabIndex = place ? -1 : 0; // one stop of the keyboard a group; arrows go on from there
      thumb.setAttribute("role", "button");
      thumb.setAttribute("aria-haspopup", "dialog");
    });
  }
  document.body.append(larger);
  document.addEventListener("click", (event) => {
    if (event.target === larger) larger.close(); // outside of it
    else if (event.target.matches?.(".thumb[tabindex]")) enlarge(event.target);
  });
  document.addEventListener("keydown", (event) => {
    if (!event.target.matches?.(".thumb[tabindex]")) return;
    const group = thumbsBeside(event.target);
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter" || event.key === " ") enlarge(event.target);
    else if (by) group[(group.indexOf(event.target) + by + group.length) % group.length].focus();
    else return;
    event.preventDefault();
  });
}
