"""What a worker has on its machine of the cluster: a seat, from which its process is started and reached."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from harness import Arrival, Opening, Processes

WAIT = 5.0  # seconds in which a seat answers, also where there is nothing to say


class Seat:
    """Where one worker sits: an actor of Ray, on a machine of the cluster."""

    def __init__(self, opening: Opening, device: str, environ: Mapping[str, str]) -> None:
        self._arrival = Arrival(opening)
        self._device = device
        self._environ = dict(environ)
        self._processes: Processes | None = None

    def missing(self) -> list[str]:
        """Return what of the data this machine lacks, by SHA-256."""
        return self._arrival.missing

    def start(self, worker: int, references: Mapping[str, Any]) -> None:
        """Start a worker's process; the first time, what was missing comes along."""
        if self._processes is None:
            self._processes = Processes(self._arrival.unload(_fetched(references), self._device), self._environ)
        self._processes.start(worker)

    def send(self, worker: int, message: Any, references: Mapping[str, Any]) -> None:
        """Pass a message on to the worker, with the weights that its job begins with or looks at."""
        if references:
            from safetensors.torch import load

            message = replace(message, solutions={run: load(content) for run, content in _fetched(references).items()})
        with suppress(KeyError):  # its process has ended, which ``receive`` says
            self._of_workers().send(worker, message)

    def receive(self) -> list[tuple[int, Any]]:
        """Return what the worker says; after some seconds, nothing."""
        return list(self._of_workers().receive(WAIT))

    def memory(self, worker: int) -> int:
        """Return the bytes of memory that the worker uses."""
        return self._of_workers().memory(worker)

    def _of_workers(self) -> Processes:
        assert self._processes is not None
        return self._processes


def _fetched(references: Mapping[str, Any]) -> dict[str, Any]:
    """Return what references stand for; Ray brings each to a machine once."""
    if not references:
        return {}
    ray: Any = importlib.import_module("ray")
    return dict(zip(references, ray.get(list(references.values())), strict=True))
