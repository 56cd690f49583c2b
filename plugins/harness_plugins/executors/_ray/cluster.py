"""The transport of workers on the machines of a cluster: seats are asked, and their answers become messages."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from harness import Left, Shipment, Workbench
from harness_plugins.executors._ray.seat import Seat

ANSWER = 3.0  # seconds in which a machine must say how much memory a worker uses
ROUNDING = 1e-9  # of a quotient of two numbers that stand in a file
LOOK = 2.0  # seconds after which the machines are counted again


def room_of(resources: Mapping[str, float], cpus: float, gpus: float) -> int:
    """Return how many seats with so many cores and GPUs a machine has room for; no seat has parts of two GPUs.

    >>> room_of({"CPU": 8.0, "GPU": 2.0}, cpus=1, gpus=0.5)
    4
    """
    rooms, cards = [int(resources.get("CPU", 0) / cpus + ROUNDING)], int(resources.get("GPU", 0))
    if gpus:
        rooms.append(int(cards / gpus + ROUNDING) if gpus >= 1 else cards * int(1 / gpus + ROUNDING))
    return min(rooms)


class Cluster:
    """The transport of workers on the machines of a cluster: ``harness.WorkerPool`` hands it jobs.

    Args:
        workbench: What the executor was given.
        cpus: Cores that a seat reserves.
        gpus: GPUs that a seat reserves: 0.5 for two on a GPU; 0 for none.
        owned: Whether the connection to Ray ends with it.
    """

    def __init__(self, workbench: Workbench, cpus: float, gpus: float, owned: bool) -> None:
        ray: Any = importlib.import_module("ray")
        self._ray = ray
        self._workbench = workbench
        self._cpus, self._gpus, self._owned = cpus, gpus, owned
        self._shipment = Shipment(workbench.opening())
        self._opening = ray.put(self._shipment.opening)
        self._seat = ray.remote(
            num_cpus=cpus, num_gpus=gpus, max_restarts=0, concurrency_groups={"in": 1, "out": 1}
        )(Seat)  # fmt: skip
        self._seats: dict[int, Any] = {}  # by worker
        self._vacant: list[Any] = []  # seats whose worker has left
        self._asked: dict[Any, tuple[int, Callable[[int, Any], Sequence[tuple[int, Any]]]]] = {}  # by reference
        self._shared: dict[str, Any] = {}  # references by what they stand for
        self._counted = (0.0, 0)  # when the machines were counted, and how many workers they have room for

    def workers(self) -> int:
        """Return how many workers there can be now: those asked for, or as many as the machines have room for."""
        if workers := self._workbench.staffing.workers:
            return workers
        counted, room = self._counted
        if time.monotonic() - counted > LOOK:
            room = sum(
                room_of(node["Resources"], self._cpus, self._gpus) for node in self._ray.nodes() if node["Alive"]
            )
            self._counted = (time.monotonic(), room)
        return max(1, room)  # so that one waits for a machine where there is none

    def machines(self) -> int:
        """Return how many machines there are now."""
        return sum(1 for node in self._ray.nodes() if node["Alive"])

    def place(self, run_id: str) -> Any:
        """Return a reference to the weights that a run ended with."""
        from safetensors.torch import save

        if run_id not in self._shared:
            self._shared[run_id] = self._ray.put(save(dict(self._workbench.solution(run_id))))
        return self._shared[run_id]

    def start(self, worker: int) -> None:
        """Have a worker started, in a seat that is vacant or in a new one, wherever Ray has room for that."""
        if self._vacant:
            self._seats[worker] = self._vacant.pop()
            self._ask(worker, "start", self._listen, worker, {})
            return
        environ = {"OMP_NUM_THREADS": str(self._workbench.staffing.threads)}
        self._seats[worker] = self._seat.remote(self._opening, "cuda:0" if self._gpus else "", environ)
        self._ask(worker, "missing", self._ship)

    def send(self, worker: int, message: Any) -> None:
        """Send a message to a worker."""
        references = dict(getattr(message, "solutions", {}))
        if references:
            message = replace(message, solutions={})
        self._ask(worker, "send", _nothing, worker, message, references, group="in")

    def receive(self, timeout: float) -> Sequence[tuple[int, Any]]:
        """Return the next messages of any workers."""
        first, pending = self._ray.wait(list(self._asked), timeout=timeout) if self._asked else ([], [])
        more = self._ray.wait(pending, num_returns=len(pending), timeout=0)[0] if first and pending else []
        messages: list[tuple[int, Any]] = []
        for reference in (*first, *more):
            messages += self._answered(reference)
        return messages

    def memory(self, worker: int) -> int:
        """Return the bytes of memory that a worker uses; 0 where its machine does not answer."""
        with suppress(KeyError, self._ray.exceptions.RayError):
            reference = self._seats[worker].memory.options(concurrency_group="in").remote(worker)
            return int(self._ray.get(reference, timeout=ANSWER))
        return 0

    def kill(self, worker: int) -> None:
        """End a worker at once, with its seat."""
        if worker in self._seats:
            self._ray.kill(self._seats[worker])

    def close(self) -> None:
        """End all workers, and the connection to Ray."""
        for seat in (*self._seats.values(), *self._vacant):
            self._ray.kill(seat)
        self._seats.clear()
        self._vacant.clear()
        self._asked.clear()
        if self._owned:
            self._ray.shutdown()

    # --- inside

    def _ask(
        self, worker: int, method: str, then: Callable[[int, Any], Sequence[tuple[int, Any]]], *values: Any,
        group: str = "out",
    ) -> None:  # fmt: skip
        """Call a method of a worker's seat without waiting; ``then`` is given the answer."""
        if (seat := self._seats.get(worker)) is not None:
            self._asked[getattr(seat, method).options(concurrency_group=group).remote(*values)] = (worker, then)

    def _answered(self, reference: Any) -> Sequence[tuple[int, Any]]:
        """Return the messages that follow from an answer; a seat that cannot answer any more is lost."""
        if reference not in self._asked:  # its seat was lost a moment ago
            return []
        worker, then = self._asked.pop(reference)
        try:
            answer = self._ray.get(reference)
        except self._ray.exceptions.RayError as error:
            return self._lost(worker, error)
        return then(worker, answer)

    def _ship(self, worker: int, missing: Sequence[str]) -> Sequence[tuple[int, Any]]:
        """Send a machine the data that it lacks, and start the worker."""
        for sha256 in missing:
            if sha256 not in self._shared:
                self._shared[sha256] = self._ray.put(self._shipment.content(sha256))
        self._ask(worker, "start", self._listen, worker, {sha256: self._shared[sha256] for sha256 in missing})
        return []

    def _listen(self, worker: int, _: Any = None) -> Sequence[tuple[int, Any]]:
        self._ask(worker, "receive", self._said)
        return []

    def _said(self, worker: int, messages: Sequence[tuple[int, Any]]) -> Sequence[tuple[int, Any]]:
        """Take what a worker said; the seat of one that has left is vacant."""
        for _, message in messages:
            event = getattr(message, "event", None)
            if getattr(event, "ends_run", False):
                self._shared.pop(message.job_id, None)  # a run that was trained again may have other weights
        if any(type(message) is Left for _, message in messages):
            self._vacant.append(self._seats.pop(worker))
        else:
            self._listen(worker)
        return messages

    def _lost(self, worker: int, error: Exception) -> Sequence[tuple[int, Any]]:
        """Give a seat up, and say that its worker has left."""
        self._ray.kill(self._seats.pop(worker))
        self._asked = {reference: question for reference, question in self._asked.items() if question[0] != worker}
        cause = getattr(error, "cause", None)
        reason = "an error in its seat" if cause else "its machine, or Ray's process there, has gone"
        words = f"{type(cause).__name__}: {cause}" if cause else str(error)
        return [(worker, Left(reason, words, lost=cause is None))]


def _nothing(worker: int, answer: Any) -> Sequence[tuple[int, Any]]:
    return []
