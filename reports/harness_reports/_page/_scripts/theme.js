// The light and the dark theme.

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
