"""The arguments and options that several commands share, and how a command prints its result."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli import completion
from harness.console.escaping import say_lines

BenchmarkFile = Annotated[
    Path,
    typer.Argument(
        metavar="FILE.toml", help="A benchmark file, or a name in 'harness list benchmarks'.",
        autocompletion=completion.benchmarks,
    ),
]  # fmt: skip
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.", autocompletion=completion.run_folders)]
AnyRunFolder = Annotated[
    Path,
    typer.Argument(
        metavar="RUN", help="A run folder, or one of several workloads.", autocompletion=completion.run_folders
    ),
]
Profile = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="A variant that the file has, in [profiles.NAME]; the file says what it is for.",
        autocompletion=completion.profiles,
    ),
]
PresetName = Annotated[
    str | None,
    typer.Option(
        "--preset", metavar="quick|good|best", help="How much is tuned and repeated, instead of what the file says."
    ),
]
TimeLimit = Annotated[
    str | None,
    typer.Option("--time-limit", metavar="TIME", help="How long everything may take, such as 90m or 1h30m."),
]
WorkloadName = Annotated[
    str | None,
    typer.Option(
        "--workload",
        metavar="NAME",
        help="Only this one, where the file has several: its [[workload]] of that name.",
        autocompletion=completion.workloads,
    ),
]
DataFolder = Annotated[Path | None, typer.Option("--data", metavar="DIR", help="Folder with the data, such as photos.")]
RunsFolder = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder that run folders go into.")]
PluginFiles = Annotated[
    list[Path] | None,
    typer.Option("--plugin", metavar="FILE.py", help="A plugin of your own, which is run as code; may be given again."),
]
Blocked = Annotated[
    list[str] | None,
    typer.Option(
        "--block", metavar="NAME", help="Leave a plugin out, by its name; may be given again.",
        autocompletion=completion.blockable,
    ),
]  # fmt: skip
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE",
        help="Override a value of the file; may be given again. A list: --set 'train.optimizers=[\"sgd\", \"adam\"]'.",
    ),
]  # fmt: skip
Reuse = Annotated[
    Path | None,
    typer.Option(
        "--reuse", metavar="DIR", help="Take finished trainings from here too: a run folder, or a folder of them."
    ),
]
NoReuse = Annotated[
    bool, typer.Option("--no-reuse", help="Train everything here, also what another run folder has already.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


def print_result(document: Mapping[str, Any], lines: Sequence[str], as_json: bool) -> None:
    """Print a command's result: as one JSON document for a script, or as lines for a person."""
    if as_json:
        print(json.dumps(document, indent=2, allow_nan=False))
    else:
        say_lines(lines)
