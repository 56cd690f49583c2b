"""The registry: every plugin, by kind and name, and the libraries whose plugins are looked up by name."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from harness.console.numbers import with_article
from harness.errors import PluginError, UnknownName, did_you_mean, message_of, shown
from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.contracts import KINDS, OFFERS, Catalogue, Kind, Offer, Optimizer
from harness.plugin.runs import Arm, digest
from harness.plugin.validate import brief, check

MOST_AROUND = 8  # optimizers, each around the next
T = TypeVar("T")


@dataclass(frozen=True)
class Offered:
    """An offer and where it comes from."""

    offer: Offer | Catalogue
    plugin: str  # the plugin's name, by which it can be blocked
    origin: str  # a distribution or a file, for a person
    sha256: str  # of the plugin's source (see ``source_hash``)
    summary: str = ""  # what it is in one sentence, from the docstring of its module


@dataclass
class Registry:
    """Every plugin there is, by kind and name."""

    offers: dict[Kind, dict[str, Offered]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    catalogues: list[tuple[Catalogue, Offered]] = field(default_factory=list)
    origins: dict[str, str] = field(default_factory=dict)  # plugin -> a distribution or a file, broken ones too
    files: dict[str, tuple[Path, bytes]] = field(default_factory=dict)  # loose plugin -> its file, and what was in it
    broken: dict[str, str] = field(default_factory=dict)  # plugin -> why it could not be loaded
    blocked: set[str] = field(default_factory=set)  # plugins that the user left out

    def add(self, kind: Kind, offered: Offered) -> None:
        """Add an offer; raises PluginError, naming both sides, where its name is taken."""
        offer = offered.offer
        if isinstance(offer, Catalogue):
            taken = [entry for c, entry in self.catalogues if (c.kind, c.name) == (offer.kind, offer.name)]
            if taken:
                raise _name_is_taken(f"catalogue of {offer.kind}s", taken[0], offered)
            self.catalogues.append((offer, offered))
            return
        earlier = self.offers[kind].setdefault(offer.name, offered)
        if earlier is not offered:
            raise _name_is_taken(kind, earlier, offered)

    def find(self, kind: Kind, name: str, where: str) -> Offered:
        """Return the plugin of that kind and name; raises UnknownName, which names ``where`` it was asked for."""
        if name in self.offers[kind]:
            return self.offers[kind][name]
        if kind == "optimizer" and name.endswith(")") and name.count("(") <= MOST_AROUND:
            return self._find_around(name, where)
        if offered := self._find_in_catalogues(kind, name, where):
            return offered
        hint = self.hint([kind], name)
        if self.blocked:
            hint += f" (blocked: {', '.join(sorted(self.blocked))})"
        if self.broken:
            hint += f" (plugins that could not be loaded: {', '.join(sorted(self.broken))}; see 'harness list')"
        raise UnknownName(f"{where}: must name {with_article(kind)}, got {shown(name)}{hint}")

    def _find_in_catalogues(self, kind: Kind, name: str, where: str) -> Offered | None:
        """Return the plugin that the first catalogue with this name has; None where no catalogue has it."""
        for catalogue, source in self.catalogues:
            prefix = f"{catalogue.name}:"
            if catalogue.kind != kind or (catalogue.qualified and not name.startswith(prefix)):
                continue
            try:
                offer = _look_up(catalogue, name.removeprefix(prefix))
            except PluginError as error:
                must = f"must name {with_article(kind)} that works here"
                raise UnknownName(f"{where}: {must}, got {shown(name)}: {error}") from error
            if offer is not None:
                return replace(source, offer=offer)
        return None

    def in_library(self, kind: Kind, name: str) -> bool:
        """Return whether only a library can say if there is such a plugin; asking one takes seconds."""
        inner = name.rstrip(")").rpartition("(")[2]
        prefixes = [f"{c.name}:" if c.qualified else "" for c, _ in self.catalogues if c.kind == kind]
        return inner not in self.offers[kind] and any(inner.startswith(prefix) for prefix in prefixes)

    def parts_of(self, kind: Kind, name: str) -> list[Offered]:
        """Return the plugins that a name stands for: itself, or the outer and the inner one of ``outer(inner)``."""
        if kind != "optimizer" or name in self.offers[kind] or not name.endswith(")"):
            return [self.find(kind, name, "harness")]
        outer, _, inner = name.removesuffix(")").partition("(")
        return [*self.parts_of(kind, outer), *self.parts_of(kind, inner)]

    def _find_around(self, name: str, where: str) -> Offered:
        """Return the optimizer ``outer(inner)``: ``sam(adam)``, ``ema(sam(timm:lamb))``."""
        outer_name, _, inner_name = name.removesuffix(")").partition("(")
        outer, inner = self.find("optimizer", outer_name, where), self.find("optimizer", inner_name, where)
        assert isinstance(outer.offer, Optimizer)
        assert isinstance(inner.offer, Optimizer)
        if outer.offer.around is None:
            able = ", ".join(n for n, f in self.offers["optimizer"].items() if getattr(f.offer, "around", None))
            raise UnknownName(
                f"{where}: must name an optimizer that goes around another, got {shown(outer_name)} in {shown(name)}; "
                f"these do: {able or 'none'}"
            )
        try:
            with Boundary("optimizer", outer_name, "go around another", everything=True):
                offer = replace(outer.offer.around(inner.offer), name=name, around=None)
                wrong = check(offer, found=True)
        except PluginFailed as error:  # a refusal says its reason in words of its own
            wrong = message_of(error.raised) if isinstance(error.raised, PluginError) else error.why
        if wrong:
            raise UnknownName(f"{where}: must name an optimizer that works here, got {shown(name)}: {wrong}")
        return Offered(offer, outer.plugin, outer.origin, digest([outer.sha256, inner.sha256]))

    def hint(self, kinds: Collection[Kind], name: str) -> str:
        """Return the names of these kinds that may be meant: the same name in a library, whatever its case, or the nearest one."""
        names = {name_known for kind in kinds for name_known in self.offers[kind]}
        for catalogue, _ in self.catalogues:
            if catalogue.kind in kinds:
                prefix = f"{catalogue.name}:" if catalogue.qualified else ""
                with suppress(PluginFailed), Boundary("catalogue", catalogue.name, "say its names"):
                    names |= {f"{prefix}{bare_name}" for bare_name in catalogue.names()}
        bare = name.lower().rpartition(":")[2]
        candidates = sorted(candidate for candidate in names if candidate.lower().rpartition(":")[2] == bare)
        if candidates:
            return f"; did you mean {' or '.join(map(repr, candidates))}?"
        if len(kinds) == 1:
            return did_you_mean(name, names)
        return (
            did_you_mean(name, names, listed=True) or "; 'harness list' names all plugins"
        )  # a few names of 1,800 say nothing

    def source_hashes(self, arm: Arm, task: str) -> dict[str, str]:
        """Return the SHA-256 of the source of each plugin that takes part in an arm."""
        hashes = {
            "backbone": self.find("backbone", arm.backbone, "backbone").sha256,
            "optimizer": self.find("optimizer", arm.optimizer, "optimizer").sha256,
            "scheduler": self.find("scheduler", arm.scheduler, "scheduler").sha256,
            "task": self.find("task", task, "task").sha256,
        }
        if arm.head:
            hashes["head"] = self.find("backbone", arm.head, "train.heads").sha256
        return hashes

    def probe_version(self, name: str, options: Mapping[str, Any]) -> str:
        """Return the version of a probe: the hash of its source and of the options that the benchmark gives it."""
        sha256 = self.find("probe", name, "compare.probes").sha256
        return digest([sha256, options]) if options else sha256

    def get(self, kind: Kind, name: str, contract: type[T], where: str = "harness") -> T:
        """Return the offer itself, as its own type."""
        offer = self.find(kind, name, where).offer
        assert isinstance(offer, contract)
        return offer

    def all(self, kind: Kind) -> list[Offer]:
        """Return every offer of a kind, ordered by name."""
        offers = (offered.offer for _, offered in sorted(self.offers[kind].items()))
        return [offer for offer in offers if not isinstance(offer, Catalogue)]


def _name_is_taken(kind: str, earlier: Offered, later: Offered) -> PluginError:
    """Return the error for two offers of one name; it names both sides."""
    return PluginError(
        f"plugins: must have names of their own, got {with_article(kind)} '{later.offer.name}' twice: from "
        f"{earlier.plugin} ({earlier.origin}) and from {later.plugin} ({later.origin}); rename one or block one by its "
        "plugin name"
    )


def _look_up(catalogue: Catalogue, name: str) -> Offer | None:
    """Return the plugin of that name in a catalogue, checked; raises PluginError where it does not work here."""
    offer: Offer | None = None
    refusal: PluginError | None = None
    with Boundary("catalogue", catalogue.name, "find it or return None"):
        try:
            offer = catalogue.find(name)
        except PluginError as error:  # the reason is one of the plugin of that name, and not of the catalogue
            refusal = error
    if refusal is not None:
        raise refusal
    if offer is None:
        return None
    contract = OFFERS[catalogue.kind]
    if not isinstance(offer, contract):
        raise PluginError(
            f"catalogue '{catalogue.name}' must return {with_article(catalogue.kind)}, got {brief(offer)}"
        )
    if wrong := check(offer, found=True):
        raise PluginError(wrong)
    return offer
