// What a checker of accessibility would find on a page, as far as it can be computed: each entry says the rule and the element.
() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const visible = (element) => element.checkVisibility({ visibilityProperty: true }) && element.getClientRects().length > 0;
  const found = [];
  const tell = (rule, element, more = "") => found.push(`${rule}: ${element.outerHTML.replace(/\s+/g, " ").slice(0, 110)} ${more}`.trim());

  // --- colours
  const parts = (colour) => {
    const numbers = (colour.match(/[\d.]+(e-?\d+)?/g) ?? [0, 0, 0, 0]).map(Number);
    return colour.startsWith("color(srgb") ? [...numbers.slice(0, 3).map((part) => 255 * part), numbers[3] ?? 1] : numbers;
  };
  const alpha = (colour) => (colour === "none" || colour === "transparent" ? 0 : parts(colour)[3] ?? 1);
  const luminance = (colour) => {
    const [r, g, b] = colour.slice(0, 3).map((part) => ((part /= 255) <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (one, other) => {
    const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  };
  const mixed = (over, under, share) => over.slice(0, 3).map((part, i) => share * part + (1 - share) * under[i]);
  const groundOf = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (alpha(colour)) layers.push(colour);
      if (alpha(colour) === 1) break;
    }
    return layers.reverse().reduce((under, colour) => mixed(parts(colour), under, alpha(colour)), [255, 255, 255]);
  };
  const opacityOf = (element) => { let share = 1; for (let e = element; e; e = e.parentElement) share *= Number(getComputedStyle(e).opacity); return share; };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const seen = new Set();
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || seen.has(element) || element.closest("script, style, metadata, title, desc, option, .plot, .anchor, [disabled], [aria-hidden=true]") || !visible(element)) continue;
    seen.add(element);
    const style = getComputedStyle(element);
    const colour = element.closest("svg") ? style.fill : style.color;
    if (!colour.startsWith("rgb")) continue;
    const ground = groundOf(element.closest("svg")?.parentElement ?? element);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = contrast(mixed(parts(colour), ground, alpha(colour) * opacityOf(element)), ground);
    if (ratio < (large ? 3 : 4.5)) tell("contrast of text", element, ratio.toFixed(2));
  }

  // --- names
  const labelled = (element) => (element.getAttribute("aria-labelledby") ?? "").split(/\s+/).filter(Boolean).map((id) => document.getElementById(id)?.textContent ?? "").join(" ");
  const name = (element) => (element.getAttribute("aria-label") || labelled(element) || element.labels?.[0]?.textContent || element.textContent || element.title || element.alt || "").trim();
  for (const element of all("button, a[href], summary, select, input, textarea, [role=button], [role=slider], [role=img], [role=group], nav, dialog[open]")) if (!name(element)) tell("name", element);
  for (const element of all("img")) if (!element.hasAttribute("alt")) tell("alternative text", element);
  for (const element of all("[aria-labelledby], [aria-describedby], [aria-controls]")) {
    const ids = ["aria-labelledby", "aria-describedby", "aria-controls"].flatMap((key) => (element.getAttribute(key) ?? "").split(/\s+/)).filter(Boolean);
    if (ids.some((id) => !document.getElementById(id))) tell("reference to nothing", element);
  }
  const ids = all("[id]").map((element) => element.id);
  ids.filter((id, place) => ids.indexOf(id) !== place).forEach((id) => found.push(`id twice: ${id}`));
  for (const link of all("a[href^='#']")) if (!document.getElementById(decodeURIComponent(link.hash.slice(1)))) tell("link to nothing", link);

  // --- structure
  if (!document.documentElement.lang) found.push("no language");
  if (!document.title.trim()) found.push("no title");
  if (all("main").length !== 1) found.push("main landmark");
  if (all("h1").length !== 1) found.push("one h1");
  let level = 0;
  for (const head of all("h1, h2, h3, h4, h5, h6")) {
    const own = Number(head.tagName[1]);
    if (own > level + 1) tell("heading level skipped", head, `after h${level}`);
    if (!head.textContent.trim()) tell("empty heading", head);
    level = own;
  }
  for (const section of all("main > section, header > section")) if (!section.querySelector("h2, h3")) tell("section without a heading", section);
  for (const child of document.body.children) if (!child.matches("main, script, dialog, .skip")) tell("outside of the landmarks", child);
  for (const list of all("ul, ol")) for (const child of list.children) if (!child.matches("li, script, template")) tell("no item of a list", child);
  for (const list of all("dl")) for (const child of list.children) if (!child.matches("dt, dd, div")) tell("no item of a list", child);
  for (const table of all("table")) {
    if (!table.closest(".plot") && !table.caption?.textContent.trim()) tell("table without a caption", table);
    for (const head of all("th", table)) if (head.textContent.trim() && !head.scope) tell("head without a scope", head);
    if (!table.querySelector("th") && !table.matches(".params")) tell("table without heads", table);
  }

  // --- keyboard
  for (const area of all(".scroll, .wide, pre")) if (visible(area) && area.scrollWidth > area.clientWidth + 1 && area.tabIndex < 0 && !area.querySelector("a[href], button, input, [tabindex='0']")) tell("scrolls without a keyboard", area);
  for (const element of all("[tabindex]")) if (Number(element.getAttribute("tabindex")) > 0) tell("order of the keyboard", element);
  for (const element of all("a[href] button, button a[href], button button, summary a[href], summary button, [role=button] a[href]")) tell("control within a control", element);
  return found;
}
