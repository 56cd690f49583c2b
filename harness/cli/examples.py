"""What stands below the help of each command: examples to copy, and what its exit codes mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

KEEP = "\b\n"  # click leaves the lines of a paragraph as they are that begins with it
OF_ALL = (
    "2   the input is wrong, or the disk refuses a file; one line says what",
    "70  a fault of the harness itself; --debug shows where",
)
STOPPED = "130 interrupted with Ctrl-C"


@dataclass(frozen=True)
class Below:
    """The end of a command's help."""

    examples: tuple[str, ...]
    failed: str = ""  # what exit code 1 means; "" where there is no such code
    stopped: str = STOPPED

    @property
    def text(self) -> str:
        """The paragraphs, as click takes them."""
        examples = "\n".join(
            ("Examples:" if len(self.examples) > 1 else "Example:", *(f"  {line}" for line in self.examples))
        )
        codes = ["0   done", f"1   {self.failed}" if self.failed else "", *OF_ALL, self.stopped]
        return f"{KEEP}{examples}\n\n{KEEP}" + "\n".join(("Exit codes:", *(f"  {code}" for code in codes if code)))


BELOW: Mapping[str, Below] = {
    "run": Below(
        (
            "harness run tiny",
            "harness run dogscats --data path/to/dogscats --open",
            "harness run mine.toml --profile verdict --set compare.seeds=3",
        ),
        failed="some runs, measurements or reports failed; the report names them",
        stopped="130 interrupted; the same command goes on",
    ),
    "plan": Below(("harness plan dogscats", "harness plan mine.toml --json"), failed="an arm cannot be carried out"),
    "lr-find": Below(("harness lr-find dogscats --out rates.svg",), failed="an arm failed"),
    "list": Below(("harness list", "harness list optimizers", "harness list benchmarks --long")),
    "check": Below(("harness check lion", "harness check unit.py --plot unit.svg"), failed="a check failed"),
    "status": Below(("harness status runs/tiny-HASH",)),
    "watch": Below(("harness watch runs/tiny-HASH",), stopped="0   also where Ctrl-C has ended it; the run goes on"),
    "show": Below(
        ("harness show runs/tiny-HASH", "harness show runs/tiny-HASH --against adam"),
        failed="a file is missing or damaged, or an analysis failed",
    ),
    "report": Below(("harness report runs/tiny-HASH --format html,md",), failed="a report failed"),
    "figures": Below(
        ("harness figures runs/tiny-HASH", "harness figures runs/tiny-HASH --format pdf,pgf --columns 2 --out figures")
    ),
    "index": Below(("harness index", "harness index runs --out runs.html"), failed="a run folder cannot be read"),
    "compare": Below(
        ("harness compare runs/A runs/B --out compare.html",), failed="an arm has become worse, with --fail-on-regression"
    ),
    "predict": Below(("harness predict runs/dogscats-HASH test1.zip --out submission.csv",)),
    "export": Below(
        ("harness export runs/dogscats-HASH --out model", "harness export runs/dogscats-HASH --format onnx,timm")
    ),
    "new": Below(("harness new benchmark mine", "harness new optimizer mylion")),
    "cache": Below(("harness cache", "harness cache --clean features")),
    "docs": Below(("harness docs", "harness docs python", "harness docs --to docs")),
    "data inspect": Below(("harness data inspect dogscats --data path/to/dogscats",)),
    "data suspects": Below(("harness data suspects runs/dogscats-HASH --limit 20",)),
    "data get": Below(("harness data get dogscats",)),
    "baseline export": Below(("harness baseline export runs/tiny-HASH",)),
}  # fmt: skip


def epilog(command: str) -> str:
    """Return what stands below the help of a command."""
    return BELOW[command].text


GROUPS: Mapping[str, Below] = {
    "data": Below(("harness data inspect dogscats --data path/to/dogscats", "harness data inspect --help")),
    "baseline": Below(("harness baseline export runs/tiny-HASH", "harness baseline export --help")),
}  # what stands below the help of commands of two words, by the first word

OF_ALL_COMMANDS = Below(
    ("harness run tiny", "harness plan dogscats", "harness check unit.py"), failed="something failed, and is named"
).text  # fmt: skip
