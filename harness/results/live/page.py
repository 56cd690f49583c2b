"""The live page as HTML: it asks for its content again every few seconds, and goes to the report when the run is over."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from typing import Any

from harness.console.numbers import joined, number
from harness.plugin.runs import split_arm_name
from harness.results.live.progress import RunProgress, whole_is_over
from harness.results.pictures.plain_svg import COLORS, curves
from harness.results.reports import PAGE_FILE
from harness.results.run_state import FINISHED

EVERY = 4  # seconds between two looks of the page
STYLE = """
:root { color-scheme: light dark; --ground: #f6f7f8; --surface: #fff; --ink: #1b1f24; --muted: #5b6470; --grid: #dfe3e8; }
@media (prefers-color-scheme: dark) { :root { --ground: #121417; --surface: #1a1d21; --ink: #e8eaed; --muted: #a0a8b3; --grid: #343a42; } }
body { margin: 0 auto; max-width: 60em; padding: 1.2em; background: var(--ground); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
section { background: var(--surface); border: 1px solid var(--grid); border-radius: 10px; padding: .6em 1.2em; margin: 1em 0; overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; } th, td { padding: .2em .9em .2em 0; text-align: left; vertical-align: top; overflow-wrap: normal; }
th { color: var(--muted); font-weight: 600; } h1 { font-size: 1.3rem; } h2 { font-size: 1.05rem; } .muted, small { color: var(--muted); }
i.key { display: inline-block; width: .8em; height: .8em; border-radius: 50%; margin-right: .5em; }
"""
SCRIPT = """
const main = document.querySelector('main'), note = document.getElementById('note');
async function look() {
  try {
    const answer = await fetch('part', {cache: 'no-store'});
    if (!answer.ok) throw new Error(answer.status);
    main.innerHTML = await answer.text();
    note.textContent = '';
    if (answer.headers.get('X-Over') === 'yes') { location.replace('PAGE_FILE'); return; }
  } catch (error) { note.textContent = 'Nothing answers any more: the command has ended. The report is in the run folder.'; }
  setTimeout(look, EVERY);
}
setTimeout(look, EVERY);
""".replace("EVERY", str(1000 * EVERY)).replace("PAGE_FILE", PAGE_FILE)
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    f"script-src 'sha256-{base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()}'"
)


def render_page(runs: Sequence[RunProgress]) -> str:
    """Return the whole page."""
    from markupsafe import Markup

    page = Markup(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        "<title>{}</title><style>{}</style><main>{}</main><p id=note class=muted role=status></p><script>{}</script></html>\n"
    )
    return str(
        page.format(f"{joined([run.name for run in runs])}: live", Markup(STYLE), render_part(runs), Markup(SCRIPT))
    )


def render_part(runs: Sequence[RunProgress]) -> Any:
    """Return what the page shows of the runs, and asks for again."""
    from markupsafe import Markup

    foot = Markup("<p class=muted>{}</p>").format(
        "This page is made anew every few seconds, from the records alone. The full report follows when the run is over. "
    )
    early = Markup(
        '<p><a href="{}">The report as it stands now</a> <small>(it takes some seconds to make)</small></p>'
    ).format(PAGE_FILE)
    has_results = any(run.arms for run in runs) and not whole_is_over(runs)
    return Markup("").join([*(_render_run(run) for run in runs), *([early, foot] if has_results else [])])


def _render_run(run: RunProgress) -> Any:
    from markupsafe import Markup

    head = Markup("<h1>{}</h1>").format(run.name)
    if run.problem:
        return head + Markup("<p class=muted>{}</p>").format(run.problem)
    state = FINISHED if run.is_over else f"under way{f'; {run.left} left' if run.left else ''}"
    parts = [head, Markup("<p><strong>{}</strong></p>").format(state), _arms(run), _measurements(run)]
    colors = _colors(run)
    best = {arm.arm: arm.best_so_far for arm in run.arms}
    parts.append(_picture(f"best {_words(run.score)} so far, by trial of the first search", best, colors))
    lines = run.curves or {}
    parts.append(
        _picture(
            f"{_words(run.curve)}, epoch by epoch, of the runs under way and of those that ended last",
            lines,
            {key: colors.get(key.partition(" ")[2], COLORS[-1]) for key in lines},
        )
    )
    return Markup("").join(parts)


def _words(column: str) -> str:
    return column.replace("_", " ")


def _colors(run: RunProgress) -> dict[str, str]:
    """Return a colour for each arm: the same for arms of one optimizer."""
    optimizers = list(dict.fromkeys(split_arm_name(arm.arm).optimizer for arm in run.arms))
    return {arm.arm: COLORS[optimizers.index(split_arm_name(arm.arm).optimizer) % len(COLORS)] for arm in run.arms}


def _arms(run: RunProgress) -> Any:
    from markupsafe import Markup

    colors = _colors(run)
    heads = ("arm", "trials", "seeds compared", f"best {_words(run.score)}", "failed or diverged")
    row = Markup(
        "<tr><td><i class=key style='background:{}'></i>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>"
    )
    rows = [
        row.format(
            colors[arm.arm], arm.name, f"{arm.trials} of {arm.trials_wanted}", f"{arm.seeds} of {arm.seeds_wanted}",
            number(arm.best), arm.bad or "",
        )
        for arm in run.arms
    ]  # fmt: skip
    head = Markup("").join(Markup("<th>{}</th>").format(text) for text in heads)
    return Markup("<section><table><tr>{}</tr>{}</table></section>").format(head, Markup("").join(rows))


def _measurements(run: RunProgress) -> Any:
    from markupsafe import Markup

    counts = [f"{_words(probe)} {done} of {total}" for probe, (done, total) in (run.measurements or {}).items()]
    return Markup("<p class=muted>measurements: {}</p>").format(", ".join(counts)) if counts else Markup("")


def _picture(title: str, lines: Any, colors: dict[str, str]) -> Any:
    from markupsafe import Markup

    drawn = curves(lines, title, colors)
    return Markup("<section><h2>{}</h2>{}</section>").format(title.capitalize(), drawn) if drawn else Markup("")
