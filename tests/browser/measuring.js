// What a page is, counted in the browser: screens, words, colours, tick labels, and what a reader cannot see.
() => {
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const visible = (element) => element.checkVisibility({ visibilityProperty: true }) && element.getClientRects().length > 0;
  const text = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const parent = walker.currentNode.parentElement;
    if (!parent.closest("script, style, svg, option, title, .bar, nav") && visible(parent)) text.push(walker.currentNode.textContent);
  }
  const colours = new Set();
  const luminance = (rgb) => {
    const [r, g, b] = rgb.map((part) => (part /= 255) <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const parts = (colour) => colour.match(/[\d.]+/g).map(Number);
  const contrast = (one, other) => {
    const [light, dark] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (light + 0.05) / (dark + 0.05);
  };
  const surface = parts(getComputedStyle(document.querySelector(".card") ?? document.body).backgroundColor).slice(0, 3);
  const faint = new Set();
  const neutral = ["ink", "muted", "grid", "surface"].map((name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
  const probe = document.body.appendChild(document.createElement("i"));
  const neutrals = neutral.map((colour) => { probe.style.color = colour; return getComputedStyle(probe).color; });
  probe.remove();
  const meant = [
    ...all("svg[role=img] path, svg[role=img] use").flatMap((mark) => { const style = getComputedStyle(mark); return ["stroke", "fill"].filter((name) => mark.style[name]).map((name) => style[name]); }),
    ...all(".key, .range i").map((key) => getComputedStyle(key).backgroundColor),
  ];
  for (const colour of meant) {
    if (!colour.startsWith("rgb") || neutrals.includes(colour) || parts(colour)[3] === 0) continue;
    colours.add(parts(colour).slice(0, 3).join(","));
    if (contrast(parts(colour).slice(0, 3), surface) < 3) faint.add(colour);
  }
  const twins = [];
  const beyond = [];
  for (const svg of all("svg[role=img]")) {
    for (const axis of all("[id*='matplotlib.axis'], [id*='matplotlib-axis']", svg)) {
      const labels = all("g > text", axis).map((label) => label.textContent);
      labels.slice(1).forEach((label, place) => { if (label === labels[place] && /\d/.test(label)) twins.push(`${svg.getAttribute("aria-label")}: ${label}`); });
    }
    if (!visible(svg)) continue;
    const texts = all("text", svg);
    const card = svg.closest(".card, section, header").getBoundingClientRect();
    for (const label of texts) {
      const box = label.getBoundingClientRect();
      if (box.left < card.left - 1 || box.right > card.right + 1) beyond.push(`${svg.getAttribute("aria-label")}: ${label.textContent}`);
    }
  }
  const cut = all(".scroll:has(> .board)").filter((frame) => visible(frame) && frame.scrollWidth > frame.clientWidth + 1).map((frame) => frame.textContent.trim().slice(0, 60));
  const unnamed = all("th").filter((head) => !head.scope && head.textContent.trim()).map((head) => head.textContent);
  const links = all("a, area, form").map((link) => link.getAttribute("href") ?? link.localName);
  return {
    screens: document.documentElement.scrollHeight / innerHeight,
    words: text.join(" ").split(/\s+/).filter((word) => /[\p{L}\p{N}]/u.test(word)).length,
    colours: [...colours], faint: [...faint], twins, beyond, cut, unnamed, links,
    sideways: document.documentElement.scrollWidth - innerWidth,
    empty: all("img:not([alt]), [role=img]:not([aria-label]), [role=button].thumb:not([aria-label])").map((element) => element.outerHTML.slice(0, 120)),
  };
}
