"""``harness lr-find FILE.toml``: a range test of every arm of a benchmark, in lines or as JSON, without a run folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness import __version__
from harness.cli.asked import OfFile, taking
from harness.cli.options import AsJson, print_result
from harness.console import interruption
from harness.console.escaping import say_lines

if TYPE_CHECKING:
    from harness.training.lr_curve import RangeTest


@taking(OfFile)
def command(
    asked: OfFile,
    out: Annotated[
        Path | None, typer.Option(metavar="PICTURE", help="Draw the curves there, as .pdf, .pgf, .svg or .png.")
    ] = None,
    columns: Annotated[
        int, typer.Option(metavar="1|2", min=1, max=2, help="Width of a .pdf or .pgf, in columns of a paper.")
    ] = 2,
    arm: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this arm; may be given again.")] = None,
    steps: Annotated[
        int | None, typer.Option(min=20, max=100_000, help="Steps in all; by default 80 for each factor of ten.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Suggest a learning rate for every arm, by a range test.

    An arm is a network, an optimizer and a schedule. Each is trained once, with a rate that rises until the loss runs away.
    Nothing is written but the picture that --out asks for.
    """
    from harness.console.progress import Reporter

    with interruption.listening(), Reporter(quiet=as_json) as reporter:
        reporter.start(f"lr-find {asked.file}", __version__)
        from harness.results.pictures.range_test import write_picture
        from harness.results.pictures.writing import check_picture
        from harness.results.reports import quiet_libraries
        from harness.running.search.rates import find_rates

        if out:
            check_picture(out, "--out")
        tests = find_rates(asked.request(), reporter, arm or (), steps)
    print_result(document(tests), lines(tests), as_json)
    if out:
        with quiet_libraries():
            files = write_picture(out, tests, columns)
        if not as_json:
            say_lines(f"picture: {file}" for file in files)
    raise typer.Exit(1 if any(test.failed for test in tests) else 0)


def document(tests: Sequence[RangeTest]) -> dict[str, Any]:
    """Return the tests as plain values, all finite."""
    from harness.training.lr_curve import CHOSEN

    return {"chosen": CHOSEN, "arms": [_plain_test(test) for test in tests]}


def _plain_test(test: RangeTest) -> dict[str, Any]:
    curve = test.curve
    return {
        "arm": test.arm,
        "lr": test.lr,
        "suggestions": dict(test.suggestions or {}),
        "note": test.note,
        "diverged": bool(curve and curve.diverged),
        "curve": {name: getattr(curve, name).tolist() for name in ("lr", "loss", "smoothed")} if curve else None,
    }


def lines(tests: Sequence[RangeTest]) -> list[str]:
    """Return a line per arm."""
    from harness.running.search.range_test import line

    return [line(test) for test in tests]
