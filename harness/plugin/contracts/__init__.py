"""What a plugin offers: frozen values, one class per kind.

A contract is a value and a few functions, never a base class to inherit. Heavy libraries (torch, timm) are imported
inside the functions, so that discovering plugins stays cheap and reports never need them.

- ``data``: what a dataset is asked for, and what it returns.
- ``learning``: task, network, optimizer and schedule.
- ``parts``: what a plugin may use of a network in training. ``executing``: how runs are carried out.
- ``records`` and ``tables``: what a plugin may read of a run. ``reading``: probes, analyses and reports.
- ``listening``: what is told of a run while it goes on.
- ``offers``: the kinds of plugin, and catalogues of many plugins.

Axes are named at every boundary: B is the batch, N the examples of a split, C channels, H and W pixels, K the outputs of
the network.
"""

from __future__ import annotations

from harness.plugin.contracts.data import Data, DataRequest, Dataset, Download, Photo, Split
from harness.plugin.contracts.executing import Executor, Opening, RunningExecutor, Staffing, Workbench
from harness.plugin.contracts.learning import NEEDS, Backbone, Metric, Optimizer, Schedule, Scheduler, Task, Weights
from harness.plugin.contracts.listening import HAPPENINGS, Listener, ListenerRequest, Occurrence
from harness.plugin.contracts.offers import KINDS, OFFERS, Catalogue, Kind, Offer
from harness.plugin.contracts.parts import DeviceSplit, Parts, TrainingParts
from harness.plugin.contracts.reading import Analysis, Probe, Report, Results, Several, Workloads
from harness.plugin.contracts.records import Records
from harness.plugin.contracts.spaces import Space

__all__ = [
    "HAPPENINGS",
    "KINDS",
    "NEEDS",
    "OFFERS",
    "Analysis",
    "Backbone",
    "Catalogue",
    "Data",
    "DataRequest",
    "Dataset",
    "DeviceSplit",
    "Download",
    "Executor",
    "Kind",
    "Listener",
    "ListenerRequest",
    "Metric",
    "Occurrence",
    "Offer",
    "Opening",
    "Optimizer",
    "Parts",
    "Photo",
    "Probe",
    "Records",
    "Report",
    "Results",
    "RunningExecutor",
    "Schedule",
    "Scheduler",
    "Several",
    "Space",
    "Split",
    "Staffing",
    "Task",
    "TrainingParts",
    "Weights",
    "Workbench",
    "Workloads",
]
