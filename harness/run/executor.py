"""An executor behind the boundary to plugins: whatever it raises is an error that names it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.errors import PluginError, repr_of
from harness.plugin.boundary import Boundary, through
from harness.plugin.contracts import Executor, Workbench
from harness.plugin.runs import Done, Epoch, Event, Failed, Run


def check_executor(executor: Executor) -> None:
    """Raise PluginError with one line where an executor cannot work with its options; nothing is opened for it."""
    if executor.check is not None:
        with Boundary("executor", executor.name, "work here"):
            executor.check(**executor.options)


class GuardedExecutor:
    """A running executor; whatever it raises names it."""

    def __init__(self, executor: Executor, workbench: Workbench) -> None:
        self.name = executor.name
        with self._boundary("build"):
            self._running = executor.build(workbench, **executor.options)

    @property
    def room(self) -> int:
        """How many runs it takes at once."""
        with self._boundary("have room"):
            return int(self._running.room)

    def submit(self, runs: Sequence[Run]) -> None:
        """Hand runs over."""
        with self._boundary("take runs"):
            self._running.submit(runs)

    def stop(self, run_id: str) -> None:
        """Have a run end after its current epoch."""
        with self._boundary("stop a run"):
            self._running.stop(run_id)

    def events(self) -> Iterator[tuple[str, Event]]:
        """Yield what happens to the runs; raises PluginError for anything else."""
        with self._boundary("give events"):
            events = self._running.events()
        for item in through(self._boundary("give events"), events):
            match item:
                case (str(run_id), Epoch() | Done() | Failed() as event):
                    yield run_id, event
                case _:
                    raise PluginError(
                        f"executor '{self.name}': must give a run's id and an event, got {repr_of(item):.80}"
                    )

    def _boundary(self, what: str) -> Boundary:
        return Boundary("executor", self.name, what)
