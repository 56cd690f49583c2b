"""harness: honest comparison of training algorithms.

Everything a plugin needs is imported from here and from nowhere deeper. Names are looked up on first use, so that
``import harness`` stays light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from harness.console import numbers

if TYPE_CHECKING:
    from optuna.distributions import CategoricalDistribution as Choice
    from optuna.distributions import FloatDistribution as Float
    from optuna.distributions import IntDistribution as Int

    from harness.console.safe_text import (
        from_spreadsheet_cell,
        markdown_text,
        spreadsheet_cell,
        spreadsheet_table,
        typed,
    )
    from harness.data.archive import open_archive
    from harness.data.images import ImageSource, ImageStore, decode_photos, draw_images, stratified
    from harness.data.kinds import is_rubbish
    from harness.data.photos import photo_files, photo_members
    from harness.data.places import cache_folder
    from harness.errors import DataError, Diverged, HarnessError, PluginError
    from harness.plugin.contracts import (
        Analysis,
        Backbone,
        Catalogue,
        Data,
        DataRequest,
        Dataset,
        Download,
        Executor,
        Metric,
        Optimizer,
        Parts,
        Photo,
        Probe,
        Records,
        Report,
        Results,
        RunningExecutor,
        Schedule,
        Scheduler,
        Several,
        Split,
        Task,
        Weights,
        Workbench,
    )
    from harness.plugin.hookspecs import hookimpl
    from harness.plugin.meta import Deciding, Meta, sign_of
    from harness.plugin.runs import Arm, Done, Epoch, Event, Failed, Run, State, digest
    from harness.results.notebook import load
    from harness.results.pictures.range_test import draw_range_test
    from harness.results.pictures.walks import Stroke, describe_walk, draw_walks
    from harness.training.loop import execute
    from harness.training.pretrained import read_weights
    from harness.verdict.protocol import Protocol, Registered, registered_protocols, standing_first, standing_protocol

_HOME = {
    **dict.fromkeys(("Choice", "Float", "Int"), "optuna.distributions"),
    **dict.fromkeys(
        ("Analysis", "Backbone", "Catalogue", "Data", "DataRequest", "Dataset", "Download", "Executor", "Metric", "Optimizer",
         "Parts", "Photo", "Probe", "Records", "Report", "Results", "RunningExecutor", "Schedule", "Scheduler", "Several", "Split", "Task", "Weights", "Workbench"),
        "harness.plugin.contracts",
    ),
    **dict.fromkeys(("DataError", "Diverged", "HarnessError", "PluginError"), "harness.errors"),
    "hookimpl": "harness.plugin.hookspecs",
    **dict.fromkeys(("Deciding", "Meta", "sign_of"), "harness.plugin.meta"),
    "load": "harness.results.notebook",
    **dict.fromkeys(("ImageSource", "ImageStore", "decode_photos", "draw_images", "stratified"), "harness.data.images"),
    "cache_folder": "harness.data.places",
    "open_archive": "harness.data.archive",
    **dict.fromkeys(("Stroke", "describe_walk", "draw_walks"), "harness.results.pictures.walks"),
    "is_rubbish": "harness.data.kinds",
    **dict.fromkeys(("photo_files", "photo_members"), "harness.data.photos"),
    **dict.fromkeys(
        ("Protocol", "Registered", "registered_protocols", "standing_first", "standing_protocol"), "harness.verdict.protocol"
    ),
    "read_weights": "harness.training.pretrained",
    "draw_range_test": "harness.results.pictures.range_test",
    **dict.fromkeys(("Arm", "Done", "Epoch", "Event", "Failed", "Run", "State", "digest"), "harness.plugin.runs"),
    **dict.fromkeys(
        ("from_spreadsheet_cell", "markdown_text", "spreadsheet_cell", "spreadsheet_table", "typed"), "harness.console.safe_text"
    ),
    "execute": "harness.training.loop",
}  # fmt: skip
_THERE = {"Choice": "CategoricalDistribution", "Float": "FloatDistribution", "Int": "IntDistribution"}

__version__ = "0.1.0"
__all__ = [
    "Analysis",
    "Arm",
    "Backbone",
    "Catalogue",
    "Choice",
    "Data",
    "DataError",
    "DataRequest",
    "Dataset",
    "Deciding",
    "Diverged",
    "Done",
    "Download",
    "Epoch",
    "Event",
    "Executor",
    "Failed",
    "Float",
    "HarnessError",
    "ImageSource",
    "ImageStore",
    "Int",
    "Meta",
    "Metric",
    "Optimizer",
    "Parts",
    "Photo",
    "PluginError",
    "Probe",
    "Protocol",
    "Records",
    "Registered",
    "Report",
    "Results",
    "Run",
    "RunningExecutor",
    "Schedule",
    "Scheduler",
    "Several",
    "Split",
    "State",
    "Stroke",
    "Task",
    "Weights",
    "Workbench",
    "__version__",
    "cache_folder",
    "decode_photos",
    "describe_walk",
    "digest",
    "draw_images",
    "draw_range_test",
    "draw_walks",
    "execute",
    "from_spreadsheet_cell",
    "hookimpl",
    "is_rubbish",
    "load",
    "markdown_text",
    "numbers",
    "open_archive",
    "photo_files",
    "photo_members",
    "read_weights",
    "registered_protocols",
    "sign_of",
    "spreadsheet_cell",
    "spreadsheet_table",
    "standing_first",
    "standing_protocol",
    "stratified",
    "typed",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'harness' has no attribute '{name}'")
    value = getattr(import_module(_HOME[name]), _THERE.get(name, name))
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
