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
from harness_reports import (
    _alarms,
    _budget,
    _comparison,
    _explore,
    _facts,
    _fairness,
    _figures,
    _inside,
    _paths,
    _ranks,
    _schedules,
    _search,
    _several,
    _suspects,
    _tables,
    _targets,
)
from harness_reports._doubts import doubts
from harness_reports._headline import headline
from harness_reports._interactive import Views, digest, library, packed
from harness_reports._looking import looking
from harness_reports._minima.section import minima
from harness_reports._numbers import NOTHING, count, duration, number
from harness_reports._range_test import range_tests
from harness_reports._thumbs import Thumbs
from harness_reports._verdict import verdict

if TYPE_CHECKING:
    from jinja2 import Environment
    from pandas import DataFrame

# shown with care; the table of any other analysis as it is
OURS = (
    "leaderboard", "lead", "curves", "sensitivity", "confusion", "calibration", "picks", "suspects", "cleaned",
    "snapshots", "budget", "duels", "alarms", "regions", "importances", "times", "reached", "targets", "profiles",
    "ranks", "rank_pairs", "distances", "blocks", "barriers", "surfaces", "spectra", "solutions", "gate",
    *_fairness.TABLES,
)  # fmt: skip
MOST_ROWS = 200  # of another analysis' table; the whole of it is in tables/*.parquet


def render(results: Results) -> str:
    """Return the page."""
    return _house().get_template("_report.html.j2").render(page(results)) + "\n"


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
    names = _facts.labels(records)
    looks = _figures.looks(names)
    thumbs = Thumbs(records)
    seen, suspected = looking(results, looks, thumbs), _suspects.suspects(results, thumbs)
    said, views = headline(results), Views()
    shown = {
        "name": records.name,
        "headline": said,
        "verdict": verdict(results),
        "doubts": doubts(results, said),
        "banner": _facts.sentence(records.meta.data["notice"]),
        "tiles": _tiles(records),
        "shared": _facts.shared(records),
        "legend": [
            {"arm": arm, "label": look.label, "swatch": Markup(_figures.swatch(look, f"swatch-{i}"))}
            for i, (arm, look) in enumerate(looks.items())
        ],
        "board": _comparison.board(results, looks),
        "every": [_table(name, results.tables[name]) for name in OURS[:2] if name in results.tables],
        "leading": _facts.title_of(records.deciding.column),
        "leads": _comparison.leads(results, looks),
        "cleaned": _suspects.cleaned(results, looks),
        "dots": _comparison.dots(results, looks),
        "curves": _comparison.curves(results, looks),
        "rates": _search.rates(results, looks),
        "range_tests": range_tests(records, looks),
        "schedules": _schedules.panels(records, looks),
        "snapshots": _schedules.snapshots(results, looks),
        "confirmed": _schedules.confirmations(records, names),
        "tuned": [_search.tuned(records, arm, looks[arm]) for arm in names],
        "alarms": _alarms.table(results, looks),
        "budget": _budget.budget(results, looks, _facts.title_of(records.deciding.tune_column)),
        "sensitivity": _budget.sensitivity(results, looks),
        "fairness": _fairness.fairness(results, looks, _facts.title_of(records.deciding.tune_column)),
        "targets": _targets.targets(results, looks),
        "ranks": _ranks.ranks(results, looks),
        "minima": minima(results, looks, views),
        "paths": _paths.panels(records.paths, looks),
        "inside": _inside.section(records, looks),
        "trials": _tables.trials(records, looks),
        "explore": {
            "curves": _explore.curves(records, looks, views),
            "rates": _explore.rates(results, looks, views),
            "budgets": _explore.budgets(results, looks, views),
        },
        "searches": _explore.searches(results, looks, views),
        "deciding": _facts.title_of(records.deciding.tune_column),
        "epochs": _facts.compared_epochs(records.meta.benchmark),
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

    script = files("harness_reports").joinpath("report.js").read_text(encoding="utf-8")
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
    compared = f"{_facts.compared_epochs(benchmark)}, regime {benchmark['train']['regime']}"
    return [
        ("Data", data["name"], f"{_what(data['source'])}{kinds}{shape}"),
        ("Examples", f"{counts['train']:,} train", f"{counts['tune']:,} tune, {counts['test']:,} test"),
        ("Arms", f"{len(records.arms)}", _facts.shared(records).replace("+", "+\u200b")),  # where a line may end
        ("Search", _facts.budget(search), f"per arm, {searched}"),
        ("Comparison", count(compare["seeds"], "seed"), f"per arm, {compared}"),
        ("Device", hardware["device"], f"{_facts.precision(records)}, {count(hardware['threads'], 'thread')}"),
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
    hardware = {**environment["hardware"], "precision": _facts.precision(records)}  # of the runs, not the device's best
    ended = [time for time in runs["ended"] if isinstance(time, str)]
    started = [time for time in runs["started"] if isinstance(time, str)]
    facts = [
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
        "facts": facts,
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
