"""What an event costs the driver through Ray: seats on this machine that say one epoch after the other.

    python benchmarks/speed/cluster.py [--seats 8] [--events 2000]

Nothing is trained. Each seat answers as a worker would that finishes an epoch at any moment. The same events go through
a pipe beside it, packed as the executor ``local`` packs them, in turn (A B A B ...).
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from multiprocessing import Pipe
from typing import Any

from harness_plugins.executors._ray import cluster, connection
from harness_plugins.executors._ray.seat import Seat

from harness.plugin.contracts import Staffing
from harness.plugin.runs import Epoch
from harness.running.workers.messages import Happened
from harness.running.workers.packing import pack, unpack

METRICS = {f"{split}_{name}": 0.5 for split in ("train", "tune") for name in ("accuracy", "error", "loss")}
ENVIRONMENT = {"hash": "0" * 16, "versions": dict.fromkeys("abcdefgh", "1.2.3"), "hardware": {"device": "a processor"}}


def event(number: int) -> Happened:
    """Return an epoch of a run."""
    return Happened("0" * 16, Epoch(number, 20 * number, float(number), 0.1, METRICS, environment=ENVIRONMENT))


class Talkative(Seat):
    """A seat whose worker always has something to say."""

    def missing(self) -> list[str]:
        return []

    def start(self, worker: int, references: Any) -> None:
        self.worker, self.said = worker, 0

    def receive(self) -> list[tuple[int, Any]]:
        self.said += 1
        return [(self.worker, event(self.said))]


class Opening:
    """An opening without anything in it."""

    sys_path = ()

    def with_arrays(self, change: Any) -> Opening:
        return self


class Workbench:
    """A workbench that asks for so many workers."""

    def __init__(self, seats: int) -> None:
        self.staffing = Staffing(workers=seats)

    def opening(self) -> Opening:
        return Opening()


def through_ray(transport: cluster.Cluster, events: int) -> tuple[float, float]:
    """Return seconds by the clock and of this process's own work, of one event."""
    began, worked, seen = time.perf_counter(), time.process_time(), 0
    while seen < events:
        seen += len(transport.receive(1.0))
    return (time.perf_counter() - began) / seen, (time.process_time() - worked) / seen


def through_a_pipe(events: int) -> float:
    """Return seconds of this process's own work, of one event."""
    here, there = Pipe()
    content, worked = pack(event(1)), time.process_time()
    for _ in range(events):
        there.send_bytes(content)
        unpack(here.recv_bytes())
    return (time.process_time() - worked) / events


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seats", type=int, default=8)
    parser.add_argument("--events", type=int, default=2000)
    chosen = parser.parse_args()
    cluster.Seat = Talkative  # type: ignore[misc]
    owned = connection.connect("")
    transport = cluster.Cluster(Workbench(chosen.seats), 0.01, 0.0, owned)  # type: ignore[arg-type]
    for seat in range(chosen.seats):
        transport.start(seat)
    through_ray(transport, 20 * chosen.seats)
    rounds = [(*through_ray(transport, chosen.events), through_a_pipe(chosen.events)) for _ in range(5)]
    transport.close()
    clock, ray, pipe = (statistics.median(column) * 1e3 for column in zip(*rounds, strict=True))
    print(f"{chosen.seats} seats, {os.cpu_count()} cores: {clock:.2f} ms by the clock between two events")
    print(f"the driver's own work of an event: {ray:.2f} ms through Ray, {pipe:.2f} ms through a pipe")


if __name__ == "__main__":
    main()
