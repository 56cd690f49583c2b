"""In which range is the best learning rate of every optimizer of the libraries? Measured as ``harness check`` measures it.

    python benchmarks/science/optimizer_ranges.py [--names torch:Adam ...] [--check {quick,all}] [--keep] [--dry]

Each optimizer trains the small network of ``harness check`` at powers of ten from 1e-6 to 100, from 0.001 up and down until a
rate is clearly worse than the best so far, and then half a power of ten above and below the best. Its range
then reaches from a thousandth of the best rate to ten times that, [3e-6, 0.03] for 0.003: larger networks take smaller rates
than this one. So all ranges are equally wide, and hold their best rate at the same place. A range that no measurement can set (no rate trains the network) is left out of the table.

The table is ``plugins/harness_plugins/optimizers/_ranges.py``, which the catalogues read. With ``--check`` the checks of
``harness check`` are run too, the quick ones or all, and the table says what came of them. With ``--keep`` the ranges of the
table stay. With ``--names`` only these rows are measured anew. ``--dry`` writes nothing.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from harness_plugins.optimizers import _ranges
from harness_plugins.optimizers._ranges import Range

from harness import Float, Optimizer
from harness.errors import HarnessError, one_line
from harness.plugin.discovery import discover
from harness.plugin.registry import Registry
from harness.testing import checks
from harness.testing.optimizers.rates import losses_at

LIBRARIES = ("torch", "pytorch_optimizer", "timm")
LEAST, MOST = -6, 2  # powers of ten between which rates are tried
FIRST = -3  # the power of ten that is tried first
WORSE = 1.1  # times the best loss: how much worse a rate is beyond which none is tried
ALSO = {  # rates that other functions want, far from the network's: the range holds both
    "pytorch_optimizer:AdaGO": (1e-3, 10.0),
    "pytorch_optimizer:Kate": (1e-4, 10.0),
}
HIGHEST = 1000.0  # rate that a benchmark may ask for
POOR = 0.5  # a loss that says that no good rate is among those tried; the network begins at 1.1
BELOW, ABOVE = 1e-3, 10.0  # the ends of a range, as parts of the best rate
TABLE = Path(_ranges.__file__)


def names_of(registry: Registry) -> list[str]:
    """Return the full names of the optimizers that train here."""
    return [
        f"{catalogue.name}:{name}"
        for catalogue, _ in registry.catalogues
        if catalogue.kind == "optimizer" and catalogue.name in LIBRARIES
        for name in catalogue.names()
    ]


def range_of(offer: Optimizer) -> Range | None:
    """Return the range of an optimizer's learning rate; None where it searches none, or none trains the network."""
    if "lr" not in offer.space:
        return None
    losses = _losses(offer)
    best = min(losses, key=lambda lr: losses[lr])
    if not math.isfinite(losses[best]):
        return None
    low, high = (min(float(f"{part * best:.2g}"), HIGHEST) for part in (BELOW, ABOVE))
    also_low, also_high = ALSO.get(offer.name, (low, high))
    low, high = min(low, also_low), max(high, also_high)
    return Range(low, high, float(f"{best:.2g}"), float(f"{losses[best]:.3g}"), "")


def _losses(offer: Optimizer) -> dict[float, float]:
    """Return the losses at the rates that are tried."""
    by_exponent: dict[float, float] = {}

    def at(exponent: float) -> float:
        by_exponent[exponent] = losses_at(offer, [10**exponent])[10**exponent]
        return by_exponent[exponent]

    at(FIRST)
    for steps in (range(FIRST + 1, MOST + 1), range(FIRST - 1, LEAST - 1, -1)):
        for exponent in steps:
            if at(exponent) > WORSE * min(by_exponent.values()):
                break
    if min(by_exponent.values()) > POOR:  # the best one may lie behind a worse one
        for exponent in {*range(LEAST, MOST + 1)} - {*by_exponent}:
            at(exponent)
    best = min(by_exponent, key=lambda exponent: by_exponent[exponent])
    for exponent in (best - 0.5, best + 0.5):
        at(exponent)
    return {10**exponent: loss for exponent, loss in by_exponent.items()}


def state_of(offer: Optimizer, quick: bool) -> str:
    """Return what came of the checks, in a few words."""
    outcomes = {check.name: check.outcome() for check in checks(offer, True if quick else None)}
    for name, outcome in outcomes.items():
        if outcome.status == "FAILED":
            print(f"    {name}: {outcome.text}", flush=True)
    failed = [name for name, outcome in outcomes.items() if outcome.status == "FAILED"]
    known = [name for name, outcome in outcomes.items() if outcome.status == "known"]
    return f"fails {', '.join(failed)}" if failed else f"known: {', '.join(known)}" if known else "ok"


def measured(
    registry: Registry, names: Sequence[str], check: str, kept: Mapping[str, Range]
) -> Iterator[tuple[str, Range | None]]:
    """Yield every optimizer with its range and what came of its checks; one of the ranges that are ``kept`` stays."""
    for name in names:
        began = time.perf_counter()
        row, state = None, ""
        try:
            offer = registry.get("optimizer", name, Optimizer, "--names")
            row = kept.get(name) or range_of(offer)
            if row is not None:
                offer = replace(offer, **_in_range(offer, row))
            state = state_of(offer, check == "quick") if check else row.state if row else ""
        except (HarnessError, RuntimeError, ValueError) as error:
            state = f"fails: {one_line(error):.100}"
        print(f"{name:40} {row and row[:4]} {state} ({time.perf_counter() - began:.1f} s)", flush=True)
        yield name, row and row._replace(state=state)


def _in_range(offer: Optimizer, row: Range) -> dict[str, object]:
    """Return the space and the defaults that the optimizer has with a range: its catalogue will read it next time."""
    lr = offer.defaults["lr"]
    inside = row.low <= lr <= row.high
    middle = math.sqrt(row.low * row.high)
    space = {**offer.space, "lr": Float(row.low, row.high, log=True)}
    return {"space": space, "defaults": {**offer.defaults, "lr": lr if inside else middle}}


def write(rows: dict[str, Range]) -> None:
    """Write the table into the module that the catalogues read."""
    lines = [f"    {json.dumps(name)}: Range({', '.join(map(json.dumps, row))})," for name, row in sorted(rows.items())]
    text = TABLE.read_text()
    table = "\n".join(["RANGES: dict[str, Range] = {", *lines, "}"]) if lines else "RANGES: dict[str, Range] = {}"
    TABLE.write_text(
        re.sub(r"RANGES: dict\[str, Range\] = \{.*?\}$", lambda _: table, text, count=1, flags=re.S | re.M)
    )


def main() -> int:
    """Measure, print, and write the table; return 1 if a check fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", nargs="*", help="only these, by their full names")
    parser.add_argument("--check", choices=("quick", "all"), default="", help="run the checks too")
    parser.add_argument("--keep", action="store_true", help="keep the ranges of the table")
    parser.add_argument("--dry", action="store_true", help="write nothing")
    options = parser.parse_args()
    registry = discover()
    rows = dict(_ranges.RANGES)
    kept = dict(rows) if options.keep else {}
    failed = 0
    for name, row in measured(registry, options.names or names_of(registry), options.check, kept):
        if row is not None:
            failed += row.state.startswith("fails")
            rows[name] = row
        if not options.dry:
            write(rows)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
