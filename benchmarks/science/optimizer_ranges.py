"""In which range is the best learning rate of every optimizer of the libraries? Measured as ``harness check`` measures it.

    python benchmarks/science/optimizer_ranges.py [--names torch:Adam ...] [--check {quick,all}] [--no-ranges] [--again] [--dry]
    python benchmarks/science/optimizer_ranges.py --plain [--dry]

Each optimizer trains the small network of ``harness check`` at powers of ten from 1e-6 to 100, from 0.001 up and down until a
rate is clearly worse than the best so far, and then half a power of ten above and below the best. Its range
then reaches from a thousandth of the best rate to ten times that, [3e-6, 0.03] for 0.003: larger networks take smaller rates
than this one. So all ranges are equally wide, and hold their best rate at the same place. A range that no measurement can set
(no rate trains the network) is left out of the table.

Names of timm that differ in their decay alone are one algorithm here, and have one row. One that finds its rate itself has no
range; what came of its checks stands in a table of its own. So does one whose training at a single rate takes longer than
``--longest`` seconds of a processor, with the time that it took.

The tables are in ``plugins/harness_plugins/optimizers/_ranges.py``, which the catalogues read. What they have already is not
measured again, so an interrupted pass goes on where it was. With ``--check`` the checks of ``harness check`` are run too, the
quick ones or all, and the table says what came of them. With ``--no-ranges`` only rows that the tables have are looked at: no
range is measured. With ``--names`` only these are looked at. With ``--again`` they are measured and checked anew.

``--plain`` does one thing: it looks which optimizers take, at their defaults, the steps of SGD, Adagrad, RMSprop or Adam, and
writes that table. ``--dry`` writes nothing. ``python -m harness_plugins.optimizers._page docs/optimizers.md`` then writes the
page of all tables.
"""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from harness_plugins.optimizers import _ranges, timm_optim
from harness_plugins.optimizers._ranges import Range

from harness import Float, Optimizer
from harness.errors import HarnessError, one_line
from harness.plugin.discovery import discover
from harness.plugin.registry import Registry
from harness.testing import checks
from harness.testing.optimizers.objective import plain_method
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
LONGEST = 10.0  # seconds of a processor that the training at one rate may take
BELOW, ABOVE = 1e-3, 10.0  # the ends of a range, as parts of the best rate
TABLE = Path(_ranges.__file__)


class Tables(NamedTuple):
    """What was measured, by the full name of an optimizer."""

    ranges: dict[str, Range]
    without: dict[str, str]  # what came of the checks of those that have no range
    unmeasured: dict[str, str]  # why no range was measured
    plain: dict[str, str]  # the plain method whose steps it takes at its defaults


class TooSlow(Exception):
    """The training at one rate takes too long to measure a range."""


def names_of(registry: Registry) -> list[str]:
    """Return the full names of the optimizers that train here."""
    return [
        f"{catalogue.name}:{name}"
        for catalogue, _ in registry.catalogues
        if catalogue.kind == "optimizer" and catalogue.name in LIBRARIES
        for name in catalogue.names()
        if catalogue.name != "timm" or timm_optim.same_steps(name) == f"timm:{name}"
    ]


def range_of(offer: Optimizer, longest: float = LONGEST) -> Range | None:
    """Return the range of an optimizer's learning rate; None where it searches none, or none trains the network.

    Raises TooSlow where the training at one rate takes longer than so many seconds of a processor.
    """
    if "lr" not in offer.space:
        return None
    losses = _losses(offer, longest)
    best = min(losses, key=lambda lr: losses[lr])
    if not math.isfinite(losses[best]):
        return None
    low, high = (min(float(f"{part * best:.2g}"), HIGHEST) for part in (BELOW, ABOVE))
    also_low, also_high = ALSO.get(offer.name, (low, high))
    low, high = min(low, also_low), max(high, also_high)
    return Range(low, high, float(f"{best:.2g}"), float(f"{losses[best]:.3g}"), "")


def _losses(offer: Optimizer, longest: float) -> dict[float, float]:
    """Return the losses at the rates that are tried; raises TooSlow where the first takes too long."""
    by_exponent: dict[float, float] = {}

    def at(exponent: float) -> float:
        by_exponent[exponent] = losses_at(offer, [10**exponent])[10**exponent]
        return by_exponent[exponent]

    began = time.process_time()
    at(FIRST)
    took = time.process_time() - began
    if took > longest:
        raise TooSlow(f"too slow to measure: the training at one rate takes {took:.0f} s of a processor")
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


def missing(name: str, tables: Tables, check: str) -> bool:
    """Return whether the tables lack the range of an optimizer, or what came of its checks where these are asked for."""
    row = tables.ranges.get(name)
    state = row.state if row else tables.without.get(name)
    return state is None or (not state and bool(check))


def measure(offer: Optimizer, name: str, options: argparse.Namespace, tables: Tables) -> str:
    """Measure an optimizer, put it into the tables, and return what came of its checks."""
    row, state = tables.ranges.get(name), ""
    try:
        if row is None and not options.no_ranges:
            row = _measured(offer, name, options.longest, tables)
        if row is not None:
            offer = replace(offer, **_in_range(offer, row))
        state = state_of(offer, options.check == "quick") if options.check else row.state if row else ""
    except (HarnessError, RuntimeError, ValueError) as error:
        state = f"fails: {one_line(error):.100}"
    if row is None:
        tables.without[name] = state
    else:
        tables.ranges[name] = row._replace(state=state)
        tables.without.pop(name, None)
    return state


def _measured(offer: Optimizer, name: str, longest: float, tables: Tables) -> Range | None:
    """Return the range of an optimizer; None where it has none, and the tables then say why none was measured."""
    tables.unmeasured.pop(name, None)
    try:
        return range_of(offer, longest)
    except TooSlow as slow:
        tables.unmeasured[name] = str(slow)
        return None


def _in_range(offer: Optimizer, row: Range) -> dict[str, object]:
    """Return the space and the defaults that the optimizer has with a range: its catalogue will read it next time."""
    lr = offer.defaults["lr"]
    inside = row.low <= lr <= row.high
    middle = math.sqrt(row.low * row.high)
    space = {**offer.space, "lr": Float(row.low, row.high, log=True)}
    return {"space": space, "defaults": {**offer.defaults, "lr": lr if inside else middle}}


def write(tables: Tables) -> None:
    """Write the tables into the module that the catalogues read."""
    ranges = {name: f"Range({', '.join(map(json.dumps, row))})" for name, row in tables.ranges.items()}
    texts = {"WITHOUT": tables.without, "UNMEASURED": tables.unmeasured, "PLAIN": tables.plain}
    written = {f"{head}: dict[str, str]": {k: json.dumps(v) for k, v in rows.items()} for head, rows in texts.items()}
    text = TABLE.read_text()
    for head, rows in {"RANGES: dict[str, Range]": ranges, **written}.items():
        lines = [f"    {json.dumps(name)}: {row}," for name, row in sorted(rows.items())]
        table = "\n".join([f"{head} = {{", *lines, "}"]) if lines else f"{head} = {{}}"
        text = re.sub(rf"^{re.escape(head)} = \{{.*?\}}$", lambda _, new=table: new, text, count=1, flags=re.S | re.M)
    TABLE.write_text(text)


def main() -> int:
    """Measure, print, and write the tables; return 1 if a check fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--names", nargs="*", help="only these, by their full names")
    parser.add_argument("--check", choices=("quick", "all"), default="", help="run the checks too")
    parser.add_argument("--no-ranges", action="store_true", help="measure no range: look only at what the tables have")
    parser.add_argument("--longest", type=float, default=LONGEST, help="seconds of a processor that one rate may take")
    parser.add_argument("--plain", action="store_true", help="only look whose steps are those of a plain method")
    parser.add_argument("--again", action="store_true", help="measure anew what the tables have")
    parser.add_argument("--dry", action="store_true", help="write nothing")
    options = parser.parse_args()
    registry = discover()
    tables = Tables(*map(dict, (_ranges.RANGES, _ranges.WITHOUT, _ranges.UNMEASURED, _ranges.PLAIN)))
    try:
        names = options.names or names_of(registry)
        offers = {name: registry.get("optimizer", name, Optimizer, "--names") for name in names}
    except HarnessError as error:
        parser.error(str(error))
    if options.plain:
        _fill_plain(offers, tables, options.dry)
        return 0
    return 1 if _fill(offers, options, tables) else 0


def _fill(offers: Mapping[str, Optimizer], options: argparse.Namespace, tables: Tables) -> int:
    """Measure and check what the tables lack, and write them after each; return how many failed a check."""
    failed = 0
    for name, offer in offers.items():
        if options.no_ranges and name not in {**tables.ranges, **tables.without}:
            continue
        if options.again and not options.no_ranges:
            tables.ranges.pop(name, None)
        elif not options.again and not missing(name, tables, options.check):
            continue
        began = time.perf_counter()
        state = measure(offer, name, options, tables)
        row = tables.ranges.get(name)
        print(f"{name:40} {row and row[:4]} {state} ({time.perf_counter() - began:.1f} s)", flush=True)
        failed += state.startswith("fails")
        if not options.dry:
            write(tables)
    return failed


def _fill_plain(offers: Mapping[str, Optimizer], tables: Tables, dry: bool) -> None:
    """Look for the plain method whose steps each optimizer takes, and write the table."""
    for name, offer in offers.items():
        tables.plain.pop(name, None)
        if method := plain_method(offer):
            tables.plain[name] = method
            print(f"{name:40} {method}", flush=True)
    if not dry:
        write(tables)


if __name__ == "__main__":
    sys.exit(main())
