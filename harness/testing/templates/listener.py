"""newcomer: the ends of all trainings as lines of text, a place to start from.

A listener runs in a process of its own. Whatever it raises is named, and the run goes on without it.
"""

from __future__ import annotations

from harness import Listener, ListenerRequest, Occurrence, hookimpl


class Newcomer:
    """Writes a line for each training that is over into ``newcomer.txt`` in its own folder."""

    def __init__(self, request: ListenerRequest) -> None:
        """Open the file; when the command is called again, it goes on in the same one."""
        self._file = (request.folder / "newcomer.txt").open("a", encoding="utf-8")

    def __call__(self, occurrence: Occurrence) -> None:
        """Take note of an occurrence; ``kind`` says what it is, ``values`` has plain values."""
        if occurrence.kind == "ended":
            print(line_of(occurrence), file=self._file, flush=True)

    def close(self) -> None:
        """Close the file; this is called at the end."""
        self._file.close()


def line_of(occurrence: Occurrence) -> str:
    """Return the arm, the state and the metrics of a training that is over."""
    metrics = [f"{name} {value:.4f}" for name, value in occurrence.values["metrics"].items() if value is not None]
    return "  ".join([occurrence.arm, occurrence.values["state"], *metrics])


@hookimpl
def harness_listeners() -> list[Listener]:
    """Offer newcomer; ``report.listeners`` and ``--listen`` ask for it."""
    return [Listener(name="newcomer", open=Newcomer)]
