// All parts are started here.

window.open = () => null; // the page needs no other window, and no policy forbids a script to open one
root.dataset.script = "yes"; // what only works with scripts is shown from here on
themes();
anchors();
tables();
downloads();
seeds();
photos();
follow();
document.addEventListener("toggle", ({ target }) => { if (target.open && target.matches?.("details[data-view]")) draw(target); }, true);
trials().finally(() => { root.dataset.live = "yes"; });
