"""The page of the libraries' optimizers, ``docs/optimizers.md``, from the catalogues and the tables of ``_ranges``.

``python -m harness_plugins.optimizers._page FILE.md`` writes it. A test compares the page with what is generated here, so
no number on it is written by hand.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from harness import Optimizer
from harness_plugins.optimizers import _ranges, pytorch_optimizer, timm_optim, torch_optim

LIBRARIES: Mapping[str, Any] = {"torch": torch_optim, "pytorch_optimizer": pytorch_optimizer, "timm": timm_optim}
INTRODUCTION = """\
# Optimizers of the libraries

<!-- Written by `python -m harness_plugins.optimizers._page docs/optimizers.md`. Change the words there, and the numbers with
benchmarks/science/optimizer_ranges.py, and write the page again. -->

This page says which optimizers of PyTorch, pytorch_optimizer and timm can be arms of a benchmark, in which range their
learning rates are searched, what came of their checks, and which are refused. It is for a reader who wants to compare them
by name. An optimizer's name is that of its library, a colon, and its own: `optimizers = ["sgd", "timm:lars"]`. The command

    harness list optimizers --names

prints all names that work here, and the refused ones with the reason. For those of pytorch_optimizer, type
`python -m pip install pytorch_optimizer`.
"""
DIFFERENCES = """\
## What differs from the library

**Nothing decays the weights.** The penalty on the weights is part of the common objective ([objective.md](objective.md)), so
every weight decay of an optimizer's own is 0. Then AdamW takes the steps of Adam, and many names of timm are one
algorithm: the tables say which. To compare weight decays, set `search.objective` to `"free"` and give each optimizer its own:

```toml
[train]
optimizers = ["adam", "timm:lambw"]

[search]
objective = "free"

[search.space."timm:lambw"]
weight_decay = { low = 1e-4, high = 1e-1, log = true }
```

**LARS and LAMB of timm always adapt.** Both multiply the step of each tensor by a ratio of norms. timm does so only where
the weights decay, or where `always_adapt` is true. Without decay, timm's LARS is SGD with momentum, and its LAMB is Adam with
clipped gradients. A benchmark that names them wants the ratio, so here `always_adapt` is true. It covers every tensor,
biases too. To have what timm does, write `always_adapt = false` in `[search.space."timm:lars"]`.

**PID, QHM, QHAdam and SGDP of pytorch_optimizer begin with the values of their papers.** The library's own defaults switch these
methods off: they are SGD, and Adam. Here PID and SGDP have a momentum of 0.9, QHM one of 0.999 with `nu` 0.7, and QHAdam has
`nus` (0.7, 1) and `beta1` 0.995.

**One group of parameters, and all other settings as the library has them.** Only the learning rate is searched. In
`[search.space."NAME"]` a benchmark fixes or searches more, with `beta1` and `beta2` for an optimizer's `betas`.

**What is called in another way than torch's optimizers is adapted.** One that asks for the network, for the number of steps or
of training examples gets them. One that moves matrices only has an AdamW for the rest. One that goes around another optimizer
goes around AdamW, or around the one in brackets: `pytorch_optimizer:Lookahead(sgd)`. One whose state cannot be saved runs,
and a run of it that is killed begins again; the console, the plan and the report say so.
"""
RANGES = """\
## Where the learning rate is searched

`benchmarks/science/optimizer_ranges.py` trains the small network of `harness check` with each optimizer, at powers of ten and
at half a power on either side of the best. The range reaches from a thousandth of the best rate to ten times that, so it is
equally wide for all (`AdaGO` and `Kate` have wider ones). {counts}
{reasons}
The column *checks* has what came of the quick checks of `harness check`: `ok`, or the checks that the optimizer is known to
fail. `harness check NAME` says why. The column *remarks* has what an arm of it should be known for. *Steps of* a method means:
at its defaults, and without weight decay, it takes the steps of that method (20 steps on a small problem, as `harness run` compares
two arms).
"""


def text() -> str:
    """Return the whole page."""
    offers = {library: dict(_offers(library)) for library in LIBRARIES}
    tables = [_section(library, of_library) for library, of_library in offers.items()]
    return "\n".join([INTRODUCTION, _counts(offers), DIFFERENCES, _about_ranges(offers), *tables])


def _offers(library: str) -> Iterator[tuple[str, Optimizer]]:
    for name in LIBRARIES[library].names():
        yield f"{library}:{name}", LIBRARIES[library].find(name)


def _counts(offers: Mapping[str, Mapping[str, Optimizer]]) -> str:
    """Return how many of each library run and how many are refused."""
    lines = ["| library | names that run | refused |", "| --- | ---: | ---: |"]
    for library, of_library in offers.items():
        lines.append(f"| [{library}](#{library}) | {len(of_library)} | {len(LIBRARIES[library].refused())} |")
    return "\n".join([*lines, ""])


def _about_ranges(offers: Mapping[str, Mapping[str, Optimizer]]) -> str:
    """Return how the ranges were measured, and for how many."""
    searched = {
        _row_of(name) for of_library in offers.values() for name, offer in of_library.items() if "lr" in offer.space
    }
    measured = searched & {*_ranges.RANGES}
    counts = f"Of {len(searched)} algorithms whose rate is searched, {len(measured)} were measured."
    lines = []
    for name in sorted(searched - measured):
        low, high = _space(offers[name.partition(":")[0]][name])
        reason = _ranges.UNMEASURED.get(name, "not measured yet")
        lines.append(f"- `{name}`: {reason}. It is searched between {low:g} and {high:g}.")
    return RANGES.format(counts=counts, reasons="\n".join(["", *lines, ""]) if lines else "")


def _row_of(name: str) -> str:
    """Return the name that the tables have of an optimizer: names of timm that differ in their decay alone are one."""
    library, _, bare = name.partition(":")
    return timm_optim.same_steps(bare) if library == "timm" else name


def _section(library: str, offers: Mapping[str, Optimizer]) -> str:
    """Return the table of a library, and what of it is refused."""
    lines = [
        f"## {library}",
        "",
        "| name | rates | best | loss | checks | remarks |",
        "| --- | --- | ---: | ---: | --- | --- |",
    ]
    lines += [f"| {' | '.join(_cells(name, offer))} |" for name, offer in offers.items()]
    by_reason: dict[str, list[str]] = defaultdict(list)
    for name, reason in LIBRARIES[library].refused().items():
        by_reason[reason].append(f"`{name}`")
    lines += ["", "Refused:", ""]
    lines += [f"- {', '.join(names)}: {reason}." for reason, names in by_reason.items()]
    return "\n".join([*lines, ""])


def _cells(name: str, offer: Optimizer) -> Iterator[str]:
    """Yield the cells of an optimizer's row."""
    yield f"`{name}`"
    row = _ranges.RANGES.get(_row_of(name))
    low, high = _space(offer)
    yield f"{low:g} to {high:g}" if "lr" in offer.space else "finds its rate"
    yield f"{row.best:g}" if row else ""
    yield f"{row.loss:g}" if row else ""
    state = row.state if row else _ranges.WITHOUT.get(_row_of(name), "")
    yield (state or "not run").removeprefix("known: ")
    yield "; ".join(_remarks(name, offer))


def _space(offer: Optimizer) -> tuple[float, float]:
    rates: Any = offer.space.get("lr")
    return (rates.low, rates.high) if rates else (0.0, 0.0)


def _remarks(name: str, offer: Optimizer) -> Iterator[str]:
    """Yield what an arm of an optimizer should be known for."""
    row_of_name = _row_of(name)
    if row_of_name != name:
        yield f"as `{row_of_name}` while nothing decays"
    elif method := _ranges.PLAIN.get(name):
        yield f"steps of {method}"
    if offer.closure:
        yield "evaluates the gradient itself"
    if offer.second_order:
        yield "second derivatives"
    if offer.switches:
        yield "evaluates averaged weights"
    if not offer.scheduled:
        yield "under no schedule"
    if offer.needs:
        yield f"asks for {', '.join(needed.replace('_', ' ') for needed in offer.needs)}"
    if not offer.resumes:
        yield "begins again after a kill"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(text(), encoding="utf-8")
