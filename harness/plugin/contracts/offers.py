"""The kinds of plugin, the value that each kind offers, and catalogues of many at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harness.plugin.contracts.data import Dataset
from harness.plugin.contracts.executing import Executor
from harness.plugin.contracts.learning import Backbone, Optimizer, Scheduler, Task
from harness.plugin.contracts.listening import Listener
from harness.plugin.contracts.reading import Analysis, Probe, Report

Kind = Literal[
    "dataset", "task", "backbone", "optimizer", "scheduler", "executor", "probe", "analysis", "report", "listener"
]  # fmt: skip
KINDS: tuple[Kind, ...] = (
    "dataset",
    "task",
    "backbone",
    "optimizer",
    "scheduler",
    "executor",
    "probe",
    "analysis",
    "report",
    "listener",
)  # fmt: skip
Offer = Dataset | Task | Backbone | Optimizer | Scheduler | Executor | Probe | Analysis | Report | Listener
OFFERS: Mapping[Kind, type] = {
    "dataset": Dataset,
    "task": Task,
    "backbone": Backbone,
    "optimizer": Optimizer,
    "scheduler": Scheduler,
    "executor": Executor,
    "probe": Probe,
    "analysis": Analysis,
    "report": Report,
    "listener": Listener,
}


@dataclass(frozen=True)
class Catalogue:
    """A library of ready-made plugins of one kind, which are looked up by name (every timm model).

    Its plugins go by ``NAME:name`` and, unless ``qualified``, by the bare name too. ``find`` and ``names`` know the bare
    ones. For a name that is in the library but does not work here, ``find`` raises PluginError with the reason.
    ``refused`` returns these names with their reasons, for lists.

    >>> import torch
    >>> def find(name): return Optimizer(name, getattr(torch.optim, name), space={}) if hasattr(torch.optim, name) else None
    >>> Catalogue("optimizer", "torch", find, names=lambda: ["Adam"]).find("Adam").build is torch.optim.Adam
    True
    """

    kind: Kind  # of its plugins
    name: str  # goes before a colon: ``timm:resnet18``
    find: Callable[[str], Offer | None]  # returns None for a name that it does not have
    names: Callable[[], Sequence[str]]  # may be slow: used for lists and for "did you mean"
    qualified: bool = False  # only by NAME:name, for a bare "RAdam" should not be one of several by accident
    reference: str = ""  # a paper or an address, for the report
    refused: Callable[[], Mapping[str, str]] | None = (
        None  # by name: what the library has and cannot work here, and why
    )
