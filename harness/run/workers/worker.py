"""A worker: it opens the benchmark once, in a process of its own, and then carries out jobs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harness.plugin.contracts import Opening
from harness.plugin.runs import Event, Job, State


class Worker:
    """Carries out jobs in this process, one benchmark's. One implementation serves all executors with workers."""

    def __init__(self, opening: Opening) -> None:
        self._workbench = opening.open()

    def carry_out(self, job: Job, state: State | None, solutions: Mapping[str, Any]) -> Iterator[Event]:
        """Carry out a job and yield what happens.

        Args:
            job: A run or a measurement.
            state: Where a run was left; None for its beginning.
            solutions: By the id of a run its final weights: the path of their file, or the weights themselves.

        Yields:
            The events of ``harness.execute``.
        """
        raise NotImplementedError

    @property
    def retiring(self) -> str:
        """Why this process takes no more jobs: what a plugin has changed in it; "" where nothing was changed."""
        raise NotImplementedError
