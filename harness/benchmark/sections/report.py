"""``[baseline]`` and ``[report]``: which arms come from elsewhere, and what is written at the end."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from harness.benchmark.keys import NameOf
from harness.benchmark.meaning import BESIDE, OUTSIDE, Meaning
from harness.benchmark.sections.base import MOST, ArmName, Name, Names, Options, PathOrNone, Section, Unrepeated


class BaselineSection(Section):
    """``[baseline]``: arms that were tuned and trained elsewhere, from a file of ``harness baseline export``."""

    file: Annotated[
        PathOrNone,
        Meaning("The baseline file, relative to the benchmark file. Empty is for none.", "rivals.baseline.zip", BESIDE),
    ] = ""
    arms: Annotated[
        list[ArmName],
        Field(max_length=MOST),
        Unrepeated,
        Meaning(
            "Which of the file's arms take part, by the names of the arms or of their optimizers. The empty list takes "
            "all.",
            ["adam", "sgd"],
            BESIDE,
        ),
    ] = []
    environment: Annotated[
        Literal["same", "any"],
        Meaning(
            'Whether another version of torch, another device or another precision is refused ("same"), or named in the '
            'report ("any").',
            "any",
            BESIDE,
        ),
    ] = "same"


class Target(Section):
    """``report.target``: a metric of the tune split, and the value that time is taken to."""

    metric: Annotated[Name, NameOf("metric"), Meaning("A metric of the task, on the tune split.", "accuracy", OUTSIDE)]
    value: Annotated[
        float,
        Field(ge=-1e6, le=1e6),
        Meaning("The value to reach, within the metric's own bounds.", 0.9, OUTSIDE),
    ]


class ReportSection(Section):
    """``[report]``: what is written at the end."""

    formats: Annotated[
        Names,
        NameOf("report"),
        Meaning(
            "The formats, plugins. `harness list report` names those that are installed.", ["html", "csv"], OUTSIDE
        ),
    ] = ["html"]
    listeners: Annotated[
        Names,
        NameOf("listener"),
        Meaning(
            "The listeners, plugins that are told what a run writes down: `tensorboard`, `mlflow`, `wandb` or one of your "
            "own. None of them can stop a run. `--listen NAME` of `harness run` names them too.",
            ["tensorboard"],
            OUTSIDE,
        ),
    ] = []
    listener_options: Annotated[
        dict[Name, Options],
        Field(max_length=100),
        Meaning(
            "Options of the listeners, by the listener's name.",
            {"mlflow": {"uri": "http://localhost:5000"}},
            OUTSIDE,
        ),
    ] = {}
    paths: Annotated[
        bool,
        Meaning(
            "Whether the paths of the tuned optimizers over two parameters are drawn. It takes about a second an arm.",
            False,
            OUTSIDE,
        ),
    ] = True
    against: Annotated[
        str,
        Field(max_length=400),
        Meaning(
            "The arm that the others are compared with, by its name or that of its optimizer: the report, `harness show` and the last "
            "lines of a run say whether each arm is better or worse. Empty is for the best arm, in the report alone.",
            "adam",
            OUTSIDE,
        ),
    ] = ""
    target: Annotated[
        Options,
        Meaning(
            "The score that the time to target is taken to. The empty table takes the score of untuned SGD.",
            {"metric": "accuracy", "value": 0.9},
            OUTSIDE,
        ),
    ] = {}
