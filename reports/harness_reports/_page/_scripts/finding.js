// Finding one's way: anchors at headings, and the section links show where the reader is.

function anchors() {
  const taken = new Set(all("[id]").map((element) => element.id));
  for (const head of all("main section h2, main section > h3")) {
    const section = head.closest("section");
    let id = head.tagName === "H2" && section.id ? section.id : head.id;
    if (!id) {
      id = `${section.id || "part"}-${slug(shown(head))}`;
      for (let more = 2; taken.has(id); more += 1) id = id.replace(/(-\d+)?$/, `-${more}`);
      head.id = id;
    }
    taken.add(id);
    const link = make("a", { href: `#${id}`, className: "anchor", title: "Address of this heading", ariaLabel: `Address of “${shown(head)}”` }, "#");
    if (head.tagName !== "H2") link.tabIndex = -1; // a keyboard has enough stops
    head.append(link);
  }
}

/** Mark the link of the section that is read. */
function follow() {
  const links = new Map(all("nav a[href^='#']").map((link) => [link.hash.slice(1), link]));
  const seen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      const link = links.get(target.id);
      if (!isIntersecting) { link.removeAttribute("aria-current"); continue; }
      links.forEach((other) => other.removeAttribute("aria-current"));
      link.setAttribute("aria-current", "true");
      const nav = link.closest("nav");
      nav.scrollLeft = link.offsetLeft - nav.clientWidth / 2;
    }
  }, { rootMargin: "-20% 0px -70% 0px" });
  for (const id of links.keys()) {
    const section = document.getElementById(id);
    if (section) seen.observe(section);
  }
}
