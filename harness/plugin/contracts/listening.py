"""The contract of a listener, which is told what a run writes down: a tracker, a chat, a file of one's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from harness.plugin.contracts.spaces import Space

Happening = Literal["began", "epoch", "ended", "trial", "look", "verdict", "report"]
HAPPENINGS: tuple[Happening, ...] = ("began", "epoch", "ended", "trial", "look", "verdict", "report")


@dataclass(frozen=True)
class Occurrence:
    """Something that a run has written down. Its values are plain, as JSON has them.

    ``began``    of a run: all fields of ``Run``: phase ("search" or "compare"), optimizer and scheduler (hyperparameters by
                 name), epochs, batch_size, init_seed, ...
    ``epoch``    of a run: epoch, steps, gradients, seconds, lr, metrics (by name; an undefined one is None)
    ``ended``    of a run: state ("done", "stopped", "diverged" or "failed"), reason, seconds, metrics, epochs (all of them,
                 with the values of ``epoch``), recipe (the values of ``began``), taken_from (the run folder that it was
                 trained in, "" for this one)
    ``trial``    of an arm's search: study, number, state, value, params, reason
    ``look``     replicates, number, of (how many looks there are), ended (why the run goes no further, "" where it does)
    ``verdict``  a list ``networks``, with the words of each network's facets, by facet
    ``report``   files: the paths of the reports

    >>> Occurrence("epoch", "epoch 3 of 0f1e", run="0f1e", arm="mlp/adam/cosine", values={"epoch": 3, "lr": 0.1}).kind
    'epoch'
    """

    kind: Happening
    key: str  # names it within the run folder: it is told once, however often the command is called again
    run: str = ""  # the id of the training that it is about; empty for none
    arm: str = ""  # the name of the arm that it is about; empty for none
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ListenerRequest:
    """What a listener is given before it is told anything.

    >>> ListenerRequest(Path("runs/tiny-0a1b2c3d/listeners/mine"), Path("runs/tiny-0a1b2c3d"), "tiny").options
    {}
    """

    folder: Path  # for whatever it writes; it is there, and the same when the command is called again
    run_folder: Path  # that it is told about; it must not write into it
    name: str  # of the benchmark
    benchmark: Mapping[str, Any] = field(default_factory=dict)  # the resolved benchmark file, by section
    options: Mapping[str, Any] = field(default_factory=dict)  # its own, from ``report.listener_options``


@dataclass(frozen=True)
class Listener:
    """A plugin that is told what a run writes down.

    ``open(request)`` returns a function that is called with each ``Occurrence``. If what it returns has a method ``close``,
    that is called at the end. Both run in a process of their own, so nothing that a listener does can stop the run: one that
    raises, hangs or ends its process is named and left out.

    >>> def open_lines(request):
    ...     file = (request.folder / "lines.txt").open("a")
    ...     return lambda occurrence: print(occurrence.key, file=file, flush=True)
    >>> Listener("lines", open_lines).name
    'lines'
    """

    name: str  # by which a benchmark asks for it
    open: Callable[[ListenerRequest], Callable[[Occurrence], object]]
    options: Mapping[str, Any] = field(default_factory=dict)  # with their defaults
    limits: Space = field(default_factory=dict)  # what ``[report.listener_options.NAME]`` may set an option to
    reference: str = ""  # a paper or an address, for the report
