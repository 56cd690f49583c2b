"""What ``harness check`` does: find the plugins meant, put each through its checks, one line a check."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, UnknownName, did_you_mean, printable, shown
from harness.plugin.contracts import KINDS, Catalogue, Kind, Optimizer
from harness.plugin.discovery import discover
from harness.plugin.registry import Found, Registry
from harness.results.pictures.walks import check_picture, save_picture
from harness.results.reports import quiet_libraries
from harness.testing import Check, Outcome, checks
from harness.training.walks import paths

WIDTH = 23  # of the longest name of a check
BESIDE = ("sgd", "adam")  # drawn next to the optimizers checked
MOST_NAMES = 20  # of a file's catalogue that are checked together
MOST = 4  # optimizers of one file that are drawn


@dataclass(frozen=True)
class Checked:
    """What came of one check of one plugin."""

    kind: Kind
    plugin: str  # the offer's name
    check: Check
    outcome: Outcome

    def line(self) -> str:
        """Return it for a person."""
        return f"{self.outcome.status:6}  {self.check.name:{WIDTH}}  {self.outcome.text}".rstrip()

    def plain(self) -> dict[str, Any]:
        """Return it for a program."""
        return {
            "kind": self.kind, "plugin": self.plugin, "check": self.check.name, "status": self.outcome.status,
            "text": self.outcome.text,
        }  # fmt: skip


def find(
    plugin: str, kind: str | None = None, files: Sequence[Path] = (), block: Sequence[str] = ()
) -> list[tuple[Kind, Found]]:
    """Return the plugins of a file, or of a name and every kind that has it; raises HarnessError where there is none."""
    wanted = _kinds(kind)
    if plugin.endswith(".py"):
        registry = discover([*files, Path(plugin)], block)
        here = [(each, found) for each in wanted for found in registry.found[each].values() if found.origin == plugin]
        here += _in_catalogues(plugin, wanted, registry)
        if not here:
            raise HarnessError(f"check: must be a file that offers a plugin{_of(kind)}, got {shown(plugin)}")
        return here
    registry = discover(files, block)
    return list(_named(plugin, wanted, registry))


def _in_catalogues(file: str, kinds: Sequence[Kind], registry: Registry) -> Iterator[tuple[Kind, Found]]:
    """Yield what a file's catalogues have; raises HarnessError for one with more than can be checked together."""
    for catalogue, source in registry.catalogues:
        if source.origin != file or catalogue.kind not in kinds:
            continue
        prefix = f"{catalogue.name}:" if catalogue.qualified else ""
        names = [f"{prefix}{name}" for name in catalogue.names()]
        if len(names) > MOST_NAMES:
            raise HarnessError(
                f"check: must be a file of at most {MOST_NAMES} plugins, got a catalogue of {len(names)} in '{file}'; "
                f"check one of them: harness check '{names[0]}' --plugin {file}"
            )
        yield from ((catalogue.kind, registry.find(catalogue.kind, name, "check")) for name in names)


def _named(name: str, kinds: Sequence[Kind], registry: Registry) -> Iterator[tuple[Kind, Found]]:
    """Yield what goes by the name, of every kind; libraries are asked where no plugin has it."""
    if any(name in registry.found[kind] for kind in kinds):
        yield from ((kind, registry.found[kind][name]) for kind in kinds if name in registry.found[kind])
        return
    refusals: list[UnknownName] = []
    for kind in kinds:
        try:
            yield kind, registry.find(kind, name, "check")
        except UnknownName as error:
            refusals.append(error)
    if len(refusals) < len(kinds):
        return
    if len(kinds) == 1:
        raise refusals[0]
    works_not = next((error for error in refusals if "that works here" in str(error)), None)
    known = {each for found in registry.found.values() for each in found}
    raise works_not or UnknownName(
        f"check: must be a plugin's name or FILE.py, got {shown(name)}{did_you_mean(name, known)}"
    )


def _kinds(kind: str | None) -> Sequence[Kind]:
    if kind is not None and kind not in KINDS:
        raise HarnessError(f"--kind: must be a kind of plugin, got {shown(kind)}{did_you_mean(kind, KINDS)}")
    return [each for each in KINDS if kind in (None, each)]


def _of(kind: str | None) -> str:
    return f" of kind {kind}" if kind else ""


def carry_out(found: Sequence[tuple[Kind, Found]], quick: bool) -> Iterator[Checked]:
    """Yield what comes of every check, one by one."""
    for kind, each in found:
        assert not isinstance(each.offer, Catalogue)
        for check in checks(each.offer, True if quick else None):
            yield Checked(kind, each.offer.name, check, check.outcome())


def drawable(found: Sequence[tuple[Kind, Found]], file: Path) -> dict[str, Optimizer]:
    """Return the optimizers of which ``--plot`` draws the paths; raises HarnessError where that cannot be done."""
    check_picture(file)
    mine = {each.offer.name: each.offer for _, each in found if isinstance(each.offer, Optimizer)}
    if not mine:
        raise HarnessError("--plot: must be for an optimizer, got none among the plugins checked")
    return dict(list(mine.items())[:MOST])


def plot(optimizers: Mapping[str, Optimizer], file: Path) -> None:
    """Draw the optimizers' paths over functions of two parameters, next to those of sgd and adam."""
    known = discover().found["optimizer"]
    beside = {name: found.offer for name, found in known.items() if name in BESIDE and name not in optimizers}
    drawn = {**optimizers, **{name: beside[name] for name in BESIDE if name in beside}}
    as_default: dict[str, Any] = {}
    arms = {name: (offer, as_default) for name, offer in drawn.items() if isinstance(offer, Optimizer)}
    with quiet_libraries():
        save_picture(paths(arms), list(arms), file)


def show(results: Iterable[Checked], as_json: bool) -> int:
    """Print each result as it comes, or all as one JSON document; return the exit code, 1 if a check failed."""
    seen: list[Checked] = []
    for result in results:
        if not as_json and (not seen or (seen[-1].kind, seen[-1].plugin) != (result.kind, result.plugin)):
            print(printable(f"{result.kind} {result.plugin}"))
        seen.append(result)
        if not as_json:
            print(printable(f"  {result.line()}"), flush=True)
    failed = sum(each.outcome.status == "FAILED" for each in seen)
    if as_json:
        print(json.dumps({"failed": failed, "checks": [each.plain() for each in seen]}, indent=2))
    else:
        counts = Counter(each.outcome.status for each in seen)
        print(", ".join(f"{count} {status}" for status, count in counts.items()))
    return 1 if failed else 0
