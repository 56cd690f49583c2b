"""The record of the run: everything that a reader needs who wants to run it again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

from harness import numbers, typed
from harness_reports._page._section import Page, Section
from harness_reports._page._tiles import tiles

IN_TILES = ("device", "precision", "threads")  # hardware that ``tiles`` already says
LONGEST = 240  # signs of a command that is not folded


def run(page: Page) -> dict[str, Any]:
    """Return what the section shows."""
    meta = page.records.meta
    plugins = [(name, plugin["origin"], plugin["sha256"]) for name, plugin in meta.plugins.items()]
    return {
        "command": _command(meta.command),
        "tiles": tiles(page),
        "facts": _run_facts(page),
        "benchmark": _as_toml(meta.benchmark),
        "versions": sorted(meta.environment["versions"].items()),
        "plugins": plugins,
        "left_out": meta.data["left_out"],
        "runs": _comparison_runs(page),
    }


def _command(words: Sequence[str]) -> dict[str, Any]:
    """Return the command as it is typed, and how a long one begins."""
    text = typed(words)
    return {
        "text": text,
        "is_long": len(text) > LONGEST,
        "begins": typed(takewhile(lambda word: not word.startswith("--"), words)),
        "options": sum(word.startswith("--") for word in words),
    }


def _run_facts(page: Page) -> list[tuple[str, str]]:
    """Return names and values: times, folder, data and machine."""
    meta, runs = page.records.meta, page.records.runs
    data, environment = meta.data, meta.environment
    hardware = {key: value for key, value in environment["hardware"].items() if key not in IN_TILES}
    ended = [time for time in runs["ended"] if isinstance(time, str)]
    started = [time for time in runs["started"] if isinstance(time, str)]
    trained, many = numbers.duration(float(runs["seconds"].sum())), numbers.counted(len(runs), "run")
    return [
        ("Training time", f"{trained} over {many}, evaluation not timed"),
        ("First and last run", f"{min(started)} to {max(ended)}" if started and ended else numbers.NOTHING),
        ("Run folder", page.records.folder.name),
        *([("Preset", meta.preset["line"].removeprefix("preset "))] if meta.preset else []),
        ("Data source", data["source"]),
        ("Data fingerprint", data["fingerprint"]),
        ("Environment", environment["hash"]),
        *((str(key).capitalize(), str(value)) for key, value in hardware.items()),
    ]


def _comparison_runs(page: Page) -> list[dict[str, Any]]:
    """Return a row per comparison run."""
    return [
        {
            "arm": page.outcome.labels.get(row["arm"], row["arm"]),
            "seed": row["seed"],
            "state": row["state"],
            "seconds": numbers.number(row["seconds"]),
            "run": row["run_id"],
            "reason": row["reason"] or "",
        }
        for row in page.records.compared().to_dict("records")
    ]


def _as_toml(benchmark: Mapping[str, Any]) -> str:
    """Return the resolved benchmark as TOML; as JSON where it holds a value that TOML cannot."""
    import tomli_w

    try:
        return tomli_w.dumps(benchmark)
    except TypeError:
        return json.dumps(benchmark, indent=2)


SECTION = Section(id="run", title="Record", place=160, data=run, template="run.html.j2")
