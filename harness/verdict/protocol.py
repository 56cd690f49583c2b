"""What a comparison promises before it is made: rules, looks, arms, search, controls and measurements, hashed.

Whoever sees the results first and chooses the margins afterwards can have any verdict. So the protocol is resolved from
the benchmark, hashed and entered in the records before the first comparison run. A protocol that is changed later is entered
beside the first one, with the number of comparison runs that had ended by then, and has a verdict of its own. Runs that had
ended in another run folder count too, for whoever wrote the protocol may have seen them.
"""

from __future__ import annotations

import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, ClassVar

from harness.benchmark.facets import FACET_PROBES
from harness.console.numbers import counted
from harness.errors import arguments
from harness.plugin.meta import Meta
from harness.plugin.runs import digest

EXPLORATORY = 0.5  # the power below which a design cannot be expected to support anything
KEY = "protocols"  # of the records' meta table: a list, the first registered first
BEFORE = "before the comparison"
POWER_UNKNOWN = "the power is not known yet: the first look will show how widely the replicates scatter"
NEVER = "never; read from the benchmark file as it stands"

CLASSES: Mapping[str, tuple[str, ...]] = {
    "loss": ("objective", "train_loss", "accuracy", "calibrated_loss"),
    "function": ("disagreement", "root_jsd", "function_scatter"),
    "representation": ("cka_penultimate", "procrustes_penultimate", "representation_scatter"),
    "connectivity": ("barrier", "excess_barrier"),
    "geometry": ("sharpness_001", "sharpness_002", "sharpness_005"),
}  # the primary measures of each facet where what is learned are classes
FEW_CLASSES: Mapping[str, tuple[str, ...]] = {
    **CLASSES,
    "representation": ("cka_within_penultimate", "procrustes_within_penultimate", "representation_scatter"),
}  # the same of few classes: their means, which say how far the classes have collapsed, are taken away
NUMBERS: Mapping[str, tuple[str, ...]] = {
    **CLASSES,
    "loss": ("objective", "train_loss", "test_loss"),
    "function": ("prediction_distance", "function_scatter"),
}  # the same where numbers are learned
FEW = 10  # classes
FACETS = tuple(CLASSES)
PROBES = FACET_PROBES  # by facet
VERSION_DIGITS = 16  # of a probe's version, as its measurements have it


class Notes(typing.Protocol):
    """What registering needs of the records: facts under a key, as ``Store`` keeps them."""

    def note(self, key: str, value: Any) -> None:
        """Write a fact."""

    def noted(self, key: str) -> Any:
        """Return a fact; None where there is none."""


@dataclass(frozen=True)
class Protocol:
    """The rules by which a verdict is reached. All margins are design choices of whoever wrote the benchmark.

    >>> protocol = standing_protocol(records.meta).protocol
    >>> list(protocol.primaries)
    ['loss', 'function', 'representation', 'connectivity', 'geometry']
    """

    margins: Mapping[str, float]  # by measure or facet; their units stand in ``[verdict.margins]``
    floors: Mapping[str, float]  # distances below which nothing matters, whatever the ratio
    gate: Mapping[str, float]  # limits that an arm at a minimum keeps; see ``[verdict.gate]``
    fit: float  # the largest un-augmented train error of a network at a minimum
    alpha: float  # the level of all looks together
    looks: tuple[int, ...]  # after how many replicates the verdict is looked at, rising
    seeds: int  # of the comparison, in each replicate
    arms: tuple[str, ...]  # their names
    primaries: Mapping[str, tuple[str, ...]]  # by facet
    scatter: Mapping[str, float] = field(default_factory=dict)  # over replicates, by margin; see ``[verdict.scatter]``
    design: Mapping[str, Any] = field(default_factory=dict)  # what is searched and measured
    probes: ClassVar[Mapping[str, str]] = PROBES  # that the primary measures come from, by facet

    def plain(self) -> dict[str, Any]:
        """Return it as plain values; equal protocols have equal JSON."""
        lists = {facet: list(names) for facet, names in self.primaries.items()}
        return {**asdict(self), "looks": list(self.looks), "arms": list(self.arms), "primaries": lists}

    @property
    def most_replicates(self) -> int:
        """How many replicates count at the last look; no more are run."""
        return self.looks[-1]

    @property
    def levels(self) -> tuple[float, ...]:
        """The level of the tests at each look; their sum is ``alpha``."""
        from harness.statistics.looks import levels

        return tuple(levels(self.looks, self.alpha))

    def margin_in(self, unit: str, mean: float, factor: float = 1.0) -> float:
        """Return how large a difference in a metric of that unit may be and still not matter, times ``factor``.

        A metric in "%" has the margin of accuracy. Any other one, such as a loss, has the margin of the test loss, which
        is a ratio: ``mean`` turns it into the metric's unit, and ``factor`` acts on its logarithm.
        """
        if unit == "%":
            return factor * float(self.margins["accuracy"])
        return float((self.margins["test_loss"] ** factor - 1) * abs(mean))

    @staticmethod
    def exploratory(power: float) -> bool:
        """Return whether a design of that power is too small to expect "supported" of identical arms."""
        return power < EXPLORATORY

    def changed(self, meta: Meta) -> list[str]:
        """Return the keys of the design, with dots, that a run's records no longer match.

        Where there are any, the measurements were replaced, and those in the records cannot be judged by this protocol. A key
        that decides nothing is left out.
        """
        now = _flat(_design(meta.benchmark, _versions(meta), meta.extensions, meta.budget.get("units")))
        then = _flat(self.design)
        unknown = {
            key for key in then.keys() ^ now.keys() if key.endswith(".version")
        }  # of a probe that has not measured yet
        ignored = unknown | _shown_keys()
        keys = [key for key in {**then, **now} if key not in ignored]
        return [key for key in keys if then.get(key) != now.get(key)]

    @property
    def hash(self) -> str:
        """SHA-256 (hex) of its canonical JSON."""
        return digest(self.plain())


@dataclass(frozen=True)
class Registered:
    """A protocol, and when it was registered.

    >>> standing_protocol(records.meta).when
    'never; read from the benchmark file as it stands'
    """

    protocol: Protocol
    when: str  # "before the comparison", "after N of its comparison runs had ended ...", or "never; ..."


def resolve(
    benchmark: Mapping[str, Any],
    arms: Sequence[str],
    metrics: Sequence[str],
    versions: Mapping[str, str] | None = None,
    extensions: Sequence[Mapping[str, Any]] = (),
    classes: int = 0,
    fitted: float | None = None,
) -> Protocol:
    """Return the protocol of a resolved benchmark (plain values), its arms, and the names of the task's metrics.

    Its design has the ``versions`` of the probes by name, as far as they are known, and the ``extensions`` of
    searches that were noted so far. ``classes`` is how many classes the data have, 0 where numbers are learned. ``fitted`` is
    how much of its budget each search got, where a time limit had no room for all of it.
    """
    verdict = benchmark["verdict"]
    of_classes = FEW_CLASSES if 0 < classes <= FEW else CLASSES
    return Protocol(
        margins=dict(verdict["margins"]),
        floors=dict(verdict["floors"]),
        gate=dict(verdict["gate"]),
        fit=float(benchmark["compare"]["fit"]),
        alpha=float(verdict["alpha"]),
        looks=tuple(benchmark["compare"]["looks"]),
        seeds=int(benchmark["compare"]["seeds"]),
        arms=tuple(arms),
        primaries=dict(of_classes if "accuracy" in metrics else NUMBERS),
        scatter={key: float(size) for key, size in verdict.get("scatter", {}).items() if size},
        design=_design(benchmark, versions or {}, extensions, fitted),
    )


def _design(
    benchmark: Mapping[str, Any], versions: Mapping[str, str], extensions: Sequence[Mapping[str, Any]],
    fitted: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Return what decides a verdict besides its rules: the search, the controls, and the probes of the primary measures.

    It has all of these probes, also those that the benchmark does not ask for (yet).
    """
    compare = benchmark["compare"]
    probes: dict[str, dict[str, Any]] = {}
    for probe in PROBES.values():
        probes[probe] = {"options": dict(compare.get("probe_options", {}).get(probe, {}))}
        if probe in compare.get("probe_sizes", {}):
            probes[probe]["size"] = compare["probe_sizes"][probe]
        if probe in versions:
            probes[probe]["version"] = versions[probe][:VERSION_DIGITS]
    design = _design_keys(benchmark)
    if fitted is not None:
        design["search"]["fitted"] = fitted
    return {
        **design,
        "probes": probes,
        "extensions": [dict(extension) for extension in extensions],
    }


def _design_keys(benchmark: Mapping[str, Any]) -> dict[str, Any]:
    """Return the search and the controls, by section: the values whose meaning says that the design consists of them."""
    from harness.benchmark.meaning import select_values
    from harness.benchmark.sections import Benchmark

    design = select_values(Benchmark, benchmark, lambda meaning: meaning.effect.protocol in ("design", "shown"))
    in_trials = benchmark["search"].get("unit", "trials") == "trials"
    for unused in ("unit", "budget") if in_trials else ("trials",):
        design["search"].pop(unused, None)
    return design


@cache
def _shown_keys() -> frozenset[str]:
    """Return the keys of the design that decide nothing."""
    from harness.benchmark.meaning import key_meanings
    from harness.benchmark.sections import Benchmark

    shown = (key for key, _, meaning in key_meanings(Benchmark) if meaning.effect.protocol == "shown")
    return frozenset(map(".".join, shown))


def _versions(meta: Meta) -> dict[str, str]:
    """Return the versions of the probes whose measurements the records hold."""
    return {name: str(probe["version"]) for name, probe in meta.probes.items() if "version" in probe}


def _flat(design: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Return a design's values by dotted key, and True for each probe that takes part. An empty list has no key."""
    values: dict[str, Any] = {}
    for key, value in design.items():
        if not isinstance(value, Mapping):
            values |= {f"{above}{key}": value} if value != [] else {}
            continue
        values |= {f"{above}{key}": True} if above == "probes." else {}
        values |= _flat(value, f"{above}{key}.")
    return values


def register(store: Notes, protocol: Protocol, ended: int, elsewhere: int = 0) -> str:
    """Enter a protocol where it is not entered yet, and return its hash.

    By now, ``ended`` comparison runs have ended in this run folder, and ``elsewhere`` more in other ones, from which they will
    be taken over. What was entered before is never taken out or changed.
    """
    entries = list(store.noted(KEY) or [])
    if protocol.hash not in {entry["hash"] for entry in entries}:
        entry = {"hash": protocol.hash, "protocol": protocol.plain(), "registered": _when(ended, elsewhere)}
        store.note(KEY, [*entries, entry])
    return protocol.hash


def _when(ended: int, elsewhere: int) -> str:
    """Return when a protocol is registered, by how many of its comparison runs have ended here and in other run folders."""
    ended_here = f"{counted(ended, 'comparison run')} had ended"
    ended_elsewhere = f"{counted(elsewhere, 'comparison run')} that can be taken over had ended in another run folder"
    if not ended:
        return f"after {ended_elsewhere}" if elsewhere else BEFORE
    return f"after {ended_here}, and {ended_elsewhere}" if elsewhere else f"after {ended_here}"


def registered_protocols(meta: Meta) -> list[Registered]:
    """Return the protocols of a run's meta table, the first registered first.

    Args:
        meta: ``records.meta``.

    Returns:
        The registered ones. Where none was registered it is the one that the benchmark describes, and says so.

    >>> [len(registered.protocol.arms) for registered in registered_protocols(records.meta)]
    [2]
    """
    arguments.instance("meta", meta, Meta, "what a run is about, as records.meta")
    if meta.protocols:
        return [Registered(_read(entry["protocol"]), str(entry["registered"])) for entry in meta.protocols]
    if "verdict" not in meta.benchmark:
        return []
    classes = len(meta.data.get("classes") or ())
    fitted = meta.budget.get("units")
    described = resolve(
        meta.benchmark, meta.arms, tuple(meta.metrics), _versions(meta), meta.extensions, classes, fitted
    )
    return [Registered(described, NEVER)]


def standing_protocol(meta: Meta) -> Registered | None:
    """Return the protocol whose verdict leads: the earliest one whose design is what the records hold now.

    Whatever shows one verdict, one gate or one protocol's arms and seeds asks here and nowhere else, so that a run has one
    verdict.

    Args:
        meta: ``records.meta``.

    Returns:
        The earliest protocol of all where the design of each was changed later. None where there is no protocol.

    >>> standing_protocol(records.meta).protocol.alpha
    0.05
    """
    registered = registered_protocols(meta)
    unchanged = (entry for entry in registered if not entry.protocol.changed(meta))
    return next(unchanged, registered[0] if registered else None)


def standing_first(meta: Meta, hashes: Iterable[str]) -> list[str]:
    """Return different hashes of protocols: that of the standing protocol first, the others in their order.

    Args:
        meta: ``records.meta``.
        hashes: Hashes of protocols, with repetitions; a table of the verdict has them in its column ``hash``.

    >>> standing_first(records.meta, ["b", standing_protocol(records.meta).protocol.hash, "b"])[1:]
    ['b']
    """
    standing = standing_protocol(meta)
    texts = [arguments.text("hashes", text) for text in arguments.items("hashes", hashes, "hashes")]
    return sorted(dict.fromkeys(texts), key=lambda text: standing is None or text != standing.protocol.hash)


def _read(plain: Mapping[str, Any]) -> Protocol:
    """Return the protocol of plain values, as ``plain`` makes them."""
    primaries = {facet: tuple(names) for facet, names in plain["primaries"].items()}
    return Protocol(**{**plain, "looks": tuple(plain["looks"]), "arms": tuple(plain["arms"]), "primaries": primaries})
