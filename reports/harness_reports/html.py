"""The report as one HTML file, made from records alone: no network, one script of its own, light and dark.

Without that script everything can still be read. Its policy lets two texts run, by their hashes: the script, and
plotly.js, which is unpacked when a reader opens the first interactive view.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from harness import Records, Report, Results, hookimpl, typed
from harness_reports._draw import explore, figures
from harness_reports._draw.interactive import Views, digest, library, packed
from harness_reports._draw.thumbs import Thumbs
from harness_reports._page import (
    _schedules,
    _several,
    budget,
    every_trial,
    fairness,
    inside,
    leaderboard,
    paths,
    ranks,
    suspects,
    targets,
    tuned,
)
from harness_reports._page._doubts import doubts
from harness_reports._page._range_tests import range_tests
from harness_reports._page._verdict import verdict
from harness_reports._page.looking import looking
from harness_reports._page.minima.section import minima
from harness_reports._words import alarms, facts
from harness_reports._words.headline import headline
from harness_reports._words.numbers import NOTHING, count, duration, number

if TYPE_CHECKING:
    from jinja2 import Environment
    from pandas import DataFrame

# shown with care; the table of any other analysis as it is
OURS = (
    "leaderboard", "lead", "curves", "sensitivity", "confusion", "calibration", "picks", "suspects", "cleaned",
    "snapshots", "budget", "duels", "alarms", "regions", "importances", "times", "reached", "targets", "profiles",
    "ranks", "rank_pairs", "distances", "blocks", "barriers", "surfaces", "spectra", "solutions", "gate",
    *fairness.TABLES,
)  # fmt: skip
MOST_ROWS = 200  # of another analysis' table; the whole of it is in tables/*.parquet


def render(results: Results) -> str:
    """Return the page."""
    return _house().get_template("_page/_page.html.j2").render(page(results)) + "\n"


@cache  # compiling the templates takes longer than filling them
def _house() -> Environment:
    from importlib.resources import files

    from jinja2 import Environment, FunctionLoader, StrictUndefined

    loader = FunctionLoader(lambda name: files("harness_reports").joinpath(name).read_text(encoding="utf-8"))
    house = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    house.filters["tight"] = _tight
    return house


def _tight(text: str) -> str:
    """Return a sentence whose numbers are not parted from "%", "points" or "±" at the end of a line."""
    return text.replace(" %", "\u00a0%").replace(" points", "\u00a0points").replace("± ", "±\u00a0")


def page(results: Results) -> dict[str, Any]:
    """Return everything the template shows, as plain strings and finished figures."""
    records = results.records
    names = facts.labels(records)
    looks = figures.looks(names)
    thumbs = Thumbs(records)
    seen, suspected = looking(results, looks, thumbs), suspects.suspects(results, thumbs)
    said, views = headline(results), Views()
    shown = {
        "name": records.name,
        "headline": said,
        "verdict": verdict(results),
        "doubts": doubts(results, said),
        "banner": facts.sentence(records.meta.data["notice"]),
        "tiles": _tiles(records),
        "shared": facts.shared(records),
        "legend": [
            {"arm": arm, "label": look.label, "swatch": Markup(figures.swatch(look, f"swatch-{i}"))}
            for i, (arm, look) in enumerate(looks.items())
        ],
        "board": leaderboard.board(results, looks),
        "every": [_table(name, results.tables[name]) for name in OURS[:2] if name in results.tables],
        "leading": facts.title_of(records.deciding.column),
        "leads": leaderboard.leads(results, looks),
        "cleaned": suspects.cleaned(results, looks),
        "dots": leaderboard.dots(results, looks),
        "curves": leaderboard.curves(results, looks),
        "rates": tuned.rates(results, looks),
        "range_tests": range_tests(records, looks),
        "schedules": _schedules.panels(records, looks),
        "snapshots": _schedules.snapshots(results, looks),
        "confirmed": _schedules.confirmations(records, names),
        "tuned": [tuned.tuned(records, arm, looks[arm]) for arm in names],
        "alarms": alarms.table(results, looks),
        "budget": budget.budget(results, looks, facts.title_of(records.deciding.tune_column)),
        "sensitivity": budget.sensitivity(results, looks),
        "fairness": fairness.fairness(results, looks, facts.title_of(records.deciding.tune_column)),
        "targets": targets.targets(results, looks),
        "ranks": ranks.ranks(results, looks),
        "minima": minima(results, looks, views),
        "paths": paths.panels(records.paths, looks),
        "inside": inside.section(records, looks),
        "trials": every_trial.trials(records, looks),
        "explore": {
            "curves": explore.curves(records, looks, views),
            "rates": explore.rates(results, looks, views),
            "budgets": explore.budgets(results, looks, views),
        },
        "searches": explore.searches(results, looks, views),
        "deciding": facts.title_of(records.deciding.tune_column),
        "epochs": facts.compared_epochs(records.meta.benchmark),
        "looking": seen,
        "suspects": suspected,
        "thumbs": Markup(thumbs.css),
        "others": [_table(name, table) for name, table in _others(results)],
        "ran": _ran(records, names),
        "benchmark": _toml(records.meta.benchmark),
    }
    return {**shown, **_scripts(views)}


def _scripts(views: Views) -> dict[str, Any]:
    """Return the page's script, what its policy allows, and the views with plotly.js, "" where there is none."""
    from importlib.resources import files

    script = files("harness_reports").joinpath("_page/_page.js").read_text(encoding="utf-8")
    allowed = [digest(script), *([library().source] if len(views) else [])]
    return {
        "script": Markup(script),
        "scripts": Markup(" ".join(allowed)),
        "views": packed(views.json) if len(views) else "",
        "plotly": Markup(library().packed) if len(views) else "",
    }


def _tiles(records: Records) -> list[tuple[str, str, str]]:
    """Return ``(what, how much, more)`` of what went in."""
    meta, benchmark = records.meta, records.meta.benchmark
    data, hardware = meta.data, meta.environment["hardware"]
    counts = data["counts"]
    classes = data["classes"]
    kinds = f"{', '.join(classes[:4])}{', …' if len(classes) > 4 else ''}; " if classes else ""
    sides = data["input_shape"]
    shape = " x ".join(map(str, sides)) if len(sides) > 1 else f"{count(sides[0], 'number')} each"
    search, compare = benchmark["search"], benchmark["compare"]
    searched = f"{' to '.join(map(str, search['epochs']))} epochs, {search['sampler']}"
    compared = f"{facts.compared_epochs(benchmark)}, regime {benchmark['train']['regime']}"
    return [
        ("Data", data["name"], f"{_what(data['source'])}{kinds}{shape}"),
        ("Examples", f"{counts['train']:,} train", f"{counts['tune']:,} tune, {counts['test']:,} test"),
        ("Arms", f"{len(records.arms)}", facts.shared(records).replace("+", "+\u200b")),  # where a line may end
        ("Search", facts.budget(search), f"per arm, {searched}"),
        ("Comparison", count(compare["seeds"], "seed"), f"per arm, {compared}"),
        ("Device", hardware["device"], f"{facts.precision(records)}, {count(hardware['threads'], 'thread')}"),
    ]


def _what(source: str) -> str:
    """Return what kind of pictures the data are, from where they came; "" for anything else."""
    word = source.partition(" ")[0]
    return f"{word}: " if word in ("photos", "drawings") else ""


def _others(results: Results) -> list[tuple[str, DataFrame]]:
    return [(name, table) for name, table in sorted(results.tables.items()) if name not in OURS]


def _table(name: str, table: DataFrame) -> dict[str, Any]:
    """Return any table as strings, its first rows where it is long."""
    rows = [[number(value) for value in row] for row in table.head(MOST_ROWS).itertuples(index=False)]
    return {"name": name, "heads": [str(column) for column in table.columns], "rows": rows, "all": len(table)}


def _ran(records: Records, names: Mapping[str, str]) -> dict[str, Any]:
    """Return what someone needs who wants to do it again."""
    meta, runs = records.meta, records.runs
    data, environment = meta.data, meta.environment
    hardware = {**environment["hardware"], "precision": facts.precision(records)}  # of the runs, not the device's best
    ended = [time for time in runs["ended"] if isinstance(time, str)]
    started = [time for time in runs["started"] if isinstance(time, str)]
    rows = [
        (
            "Training time",
            f"{duration(float(runs['seconds'].sum()))} over {count(len(runs), 'run')}, evaluation not timed",
        ),
        ("First and last run", f"{min(started)} to {max(ended)}" if started and ended else NOTHING),
        ("Run folder", records.folder.name),
        ("Data source", data["source"]),
        ("Data fingerprint", data["fingerprint"]),
        ("Environment", environment["hash"]),
        *((str(key).capitalize(), str(value)) for key, value in hardware.items()),
    ]
    compared = records.compared()
    ids = [
        {
            "arm": names.get(row["arm"], row["arm"]),
            "seed": row["seed"],
            "state": row["state"],
            "seconds": number(row["seconds"]),
            "run": row["run_id"],
            "reason": row["reason"] or "",
        }
        for row in compared.to_dict("records")
    ]
    return {
        "command": typed(meta.command),
        "facts": rows,
        "versions": sorted(environment["versions"].items()),
        "plugins": [(name, about["origin"], about["sha256"]) for name, about in meta.plugins.items()],
        "left_out": data["left_out"],
        "runs": ids,
    }


def _toml(benchmark: Mapping[str, Any]) -> str:
    """Return the resolved benchmark as TOML; as JSON where it holds what TOML has no word for."""
    import tomli_w

    try:
        return tomli_w.dumps(benchmark)
    except TypeError:
        return json.dumps(benchmark, indent=2)


@hookimpl
def harness_reports() -> list[Report]:
    """Offer html."""
    return [Report(name="html", extension="html", render=render, compare=_several.page)]
