// Figures: every one is saved as SVG, and its data as CSV.

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
    bar.append(button("SVG", { className: "save", title: "Save this figure as SVG", ariaLabel: `Save as SVG: ${title}` }, () => save(`${name}.svg`, "image/svg+xml", standalone(svg))));
    const data = svg.querySelector("metadata");
    if (data) {
      const act = async () => { const { columns, rows } = await read(data); save(`${name}.csv`, "text/csv", csv([columns, ...rows])); };
      bar.append(button("CSV", { className: "save", title: "Save this figure's data as CSV", ariaLabel: `Save as CSV: ${title}` }, act));
    }
    svg.after(bar);
  }
}
