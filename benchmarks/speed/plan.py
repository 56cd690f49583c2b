"""How well ``harness plan`` foretells a run: its estimate against the time that passes, phase by phase.

    python benchmarks/speed/plan.py benchmarks/dogscats.toml benchmarks/dogscats.toml:verdict

Each FILE.toml or FILE.toml:PROFILE is planned and then run, in fresh processes and a fresh run folder. Words after
``--`` are given to both commands (``-- --set train.workers=2``). The machine must be quiet: a program beside the run
makes every figure wrong. It exits with 1 where an estimate is more than 25 % off.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

OFF = 0.25  # of the time that passes, that an estimate may be off
MARKS = {
    "search": ("trial ",),
    "comparison": ("seed ", "twin ", "untuned ", "aa ", "different "),
    "restarts": ("restart ",),
    "probes": ("probe ",),
    "report": ("report: ",),
}  # the phase that a line of the console belongs to, by its first word


@dataclass
class Passed:
    """The seconds at which the last line of each phase was printed, and at which all was over."""

    ends: dict[str, float] = field(default_factory=dict)
    whole: float = 0.0
    exit_code: int = 0

    def of(self, phase: str, before: float) -> float:
        """Return how long a phase took that began when the one before it ended."""
        return self.ends.get(phase, before) - before


def planned(target: str, more: Sequence[str]) -> dict:
    """Return what ``harness plan`` says, with the seconds that the command took."""
    began = time.monotonic()
    done = subprocess.run([*command("plan", target), *more, "--json"], capture_output=True, text=True, check=False)
    if not done.stdout:
        raise SystemExit(done.stderr)
    return {**json.loads(done.stdout), "seconds_of_command": time.monotonic() - began}


def passed(target: str, more: Sequence[str]) -> Passed:
    """Carry a benchmark out; return how long its phases took."""
    result, began = Passed(), time.monotonic()
    process = subprocess.Popen([*command("run", target), *more], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        words = line.strip()
        for phase, marks in MARKS.items():
            if words.startswith(marks):
                result.ends[phase] = time.monotonic() - began
    result.exit_code = process.wait()
    result.whole = time.monotonic() - began
    return result


def command(name: str, target: str) -> list[str]:
    """Return the words of a command for FILE.toml or FILE.toml:PROFILE."""
    file, _, profile = target.partition(":")
    return [sys.executable, "-m", "harness", name, file, *(["--profile", profile] if profile else [])]


def rows(estimate: dict, run: Passed) -> Iterator[tuple[str, float, float]]:
    """Yield for each phase the seconds that were foretold and those that passed."""
    of = estimate["seconds_of"]
    before = 0.0
    grouped = {
        "search": of["begin"] + of["range tests"] + of["search"],
        "comparison": of["comparison"],
        "restarts": of["restarts"],
        "probes": of["probes"],
        "report": of["report"] + of["folds"] + of["driver"],
    }
    for phase, foretold in grouped.items():
        yield ("begin and search" if phase == "search" else phase), foretold, run.of(phase, before)
        before = run.ends.get(phase, before)


def compare(target: str, more: Sequence[str]) -> bool:
    """Print an estimate beside the run that it is of; return whether it is near enough."""
    with tempfile.TemporaryDirectory() as out:
        estimate = planned(target, [*more, "--out", out, "--no-reuse"])
        run = passed(target, [*more, "--out", out, "--no-reuse"])
    ratio = estimate["seconds_wall"] / run.whole
    print(f"{target}: {estimate['runs']} runs, {estimate['at_once']} at once, exit code {run.exit_code}")
    print(f"  foretold {estimate['seconds_wall']:.0f} s, passed {run.whole:.0f} s: ratio {ratio:.2f}")
    print(f"  of work {estimate['seconds']:.0f} s; the estimate took {estimate['seconds_of_command']:.0f} s")
    for phase, foretold, took in rows(estimate, run):
        print(f"    {phase:<17} {foretold:8.1f} s foretold {took:8.1f} s passed")
    return abs(ratio - 1) <= OFF


def main() -> int:
    """Compare what the command line names."""
    words = sys.argv[1:]
    more = words[words.index("--") + 1 :] if "--" in words else []
    targets = words[: words.index("--")] if "--" in words else words
    if not targets:
        raise SystemExit(__doc__)
    print(f"{datetime.now(UTC):%d %b %Y}, {platform.processor() or platform.machine()}, {platform.system()}")
    near = [compare(target, more) for target in targets]
    return 0 if all(near) else 1


if __name__ == "__main__":
    sys.exit(main())
