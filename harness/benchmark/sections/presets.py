"""Presets: how much is searched and repeated, for any benchmark file (``--preset quick``).

A preset is laid over the file, its workload and its profile, and before every ``--set``. It never changes how a network is
trained, and no arm, so that the runs of a smaller preset serve a larger one.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from harness.benchmark.lines import refusal
from harness.errors import did_you_mean, shown

PRESET = "--preset"  # the place of its values in errors
MAIN = ("search.trials", "search.budget", "compare.looks", "compare.seeds")  # the keys that a terminal is told
Name = Literal["quick", "good", "best"]


@dataclass(frozen=True)
class Preset:
    """What a preset lays over a benchmark file."""

    says: str  # what it is for, in a line
    compare: Mapping[str, Any]
    trials: int  # of each search, where the file counts its budget in trials
    share: float  # of the file's budget, where that is in epochs or seconds
    confirm: int


PRESETS: Mapping[str, Preset] = {
    "quick": Preset(
        "a leaderboard of one search of each arm, without a verdict",
        {
            "looks": [1], "seeds": 2, "untuned": 1, "twins": 0, "aa": False, "label_noise": 0.0, "gate": False, "folds": 0,
            "probes": [],
        },
        trials=4, share=0.5, confirm=0,
    ),
    "good": Preset(
        "a verdict from six replicates",
        {"looks": [6], "seeds": 2, "untuned": 2, "twins": 0, "aa": False, "label_noise": 0.0, "gate": True},
        trials=8, share=1.0, confirm=2,
    ),
    "best": Preset(
        "a verdict that is looked at up to 24 replicates, with every control",
        {
            "looks": [6, 9, 12, 16, 24], "seeds": 2, "untuned": 3, "twins": 3, "aa": True, "label_noise": 0.4,
            "gate": True,
        },
        trials=16, share=2.0, confirm=3,
    ),
}  # fmt: skip


def preset_table(name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a preset lays over a file's values; raises BenchmarkError for a name that is none."""
    if name not in PRESETS:
        *first_presets, last = PRESETS
        raise refusal(
            PRESET, f"be {', '.join(first_presets)} or {last}", shown(name), did_you_mean(name, PRESETS, listed=True)
        )
    preset, search = PRESETS[name], values.get("search", {})
    budget = search.get("budget") if isinstance(search, Mapping) else None
    if isinstance(search, Mapping) and search.get("unit", "trials") != "trials" and isinstance(budget, int | float):
        spent: dict[str, Any] = {"budget": preset.share * budget}
    else:
        spent = {"trials": preset.trials}
    return {"search": {**spent, "confirm": preset.confirm}, "compare": dict(preset.compare)}


def preset_note(name: str, table: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the records say of a preset: its ``name``, and in a ``line`` what it changes.

    ``sets`` has its values by key, ``replaced`` the keys of its ``table`` to which ``--set`` gave another value.
    """
    keys = [(section, key) for section in table for key in table[section]]
    in_force = {
        f"{section}.{key}": table[section][key]
        for section, key in keys
        if isinstance(values.get(section), Mapping) and values[section].get(key) == table[section][key]
    }
    replaced = [f"{section}.{key}" for section, key in keys if f"{section}.{key}" not in in_force]
    entries = ", ".join(f"{key} = {json.dumps(value)}" for key, value in in_force.items())
    line = f"preset {name}, {PRESETS[name].says}: {entries}"
    line = f"{line}; --set replaces its {', '.join(replaced)}" if replaced else line
    return {"name": name, "sets": in_force, "replaced": replaced, "line": line}


def preset_notice(note: Mapping[str, Any]) -> str:
    """Return what a preset changes in a line for a terminal: its main keys, and where all of them are explained."""
    main = {key: note["sets"][key] for key in MAIN if key in note["sets"]}
    entries = ", ".join(f"{key} = {json.dumps(value)}" for key, value in main.items())
    more = len(note["sets"]) - len(main)
    begins = f"preset {note['name']}, {PRESETS[note['name']].says}: {entries}"
    line = f"{begins} and {more} more keys, which 'harness docs search' explains" if more else begins
    return f"{line}; --set replaces its {', '.join(note['replaced'])}" if note["replaced"] else line
