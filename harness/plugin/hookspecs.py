"""The hooks a plugin can implement: each returns a list of frozen values (see ``contracts``)."""

from __future__ import annotations

import pluggy

from harness.plugin.contracts import (
    Analysis,
    Backbone,
    Catalogue,
    Dataset,
    Executor,
    Listener,
    Optimizer,
    Probe,
    Report,
    Scheduler,
    Task,
)

hookspec = pluggy.HookspecMarker("harness")
hookimpl = pluggy.HookimplMarker("harness")


@hookspec
def harness_datasets() -> list[Dataset]:  # type: ignore[empty-body]
    """Return the datasets you offer."""


@hookspec
def harness_tasks() -> list[Task]:  # type: ignore[empty-body]
    """Return the tasks (loss, predictions, metrics) you offer."""


@hookspec
def harness_backbones() -> list[Backbone]:  # type: ignore[empty-body]
    """Return the networks you offer."""


@hookspec
def harness_optimizers() -> list[Optimizer]:  # type: ignore[empty-body]
    """Return the optimizers you offer."""


@hookspec
def harness_schedulers() -> list[Scheduler]:  # type: ignore[empty-body]
    """Return the learning-rate schedules you offer."""


@hookspec
def harness_executors() -> list[Executor]:  # type: ignore[empty-body]
    """Return the ways you offer to carry out runs."""


@hookspec
def harness_probes() -> list[Probe]:  # type: ignore[empty-body]
    """Return measurements on trained networks."""


@hookspec
def harness_analyses() -> list[Analysis]:  # type: ignore[empty-body]
    """Return pure functions from records to a table."""


@hookspec
def harness_reports() -> list[Report]:  # type: ignore[empty-body]
    """Return report formats."""


@hookspec
def harness_listeners() -> list[Listener]:  # type: ignore[empty-body]
    """Return listeners, which are told what a run writes down."""


@hookspec
def harness_catalogues() -> list[Catalogue]:  # type: ignore[empty-body]
    """Return whole libraries of plugins that are looked up by name."""
