// What all parts of the page's script use. Names reach the page only as text nodes, never as markup.

const root = document.documentElement;

// --- small helpers ---------------------------------------------------------------------------------------------

const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const words = new Intl.Collator("en", { numeric: true });
const count = (many, what) => `${many.toLocaleString("en-US")} ${what}${many === 1 ? "" : "s"}`;

/** Return a new element of SVG with these attributes. */
function draft(tag, about = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  Object.entries(about).forEach(([key, value]) => element.setAttribute(key, value));
  element.append(...children);
  return element;
}

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
