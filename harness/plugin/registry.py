"""The registry: every plugin found, by kind and name, and the libraries that are looked up by name."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TypeVar

from harness.errors import PluginError, UnknownName, did_you_mean, shown
from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.contracts import KINDS, OFFERS, Catalogue, Kind, Offer, Optimizer
from harness.plugin.runs import digest
from harness.plugin.validate import brief, check

MOST_AROUND = 8  # optimizers around one another
T = TypeVar("T")


@dataclass(frozen=True)
class Found:
    """An offer and where it comes from."""

    offer: Offer | Catalogue
    plugin: str  # the plugin's name, by which it can be blocked
    origin: str  # a distribution or a file, for a person
    sha256: str  # of the plugin's source (see ``sources``)


@dataclass
class Registry:
    """Every plugin found, by kind and name."""

    found: dict[Kind, dict[str, Found]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    catalogues: list[tuple[Catalogue, Found]] = field(default_factory=list)
    origins: dict[str, str] = field(default_factory=dict)  # plugin -> a distribution or a file, broken ones too
    broken: dict[str, str] = field(default_factory=dict)  # plugin -> why it could not be loaded
    blocked: set[str] = field(default_factory=set)  # plugins left out because the user said so

    def add(self, kind: Kind, found: Found) -> None:
        """Take an offer in; raises PluginError, naming both sides, where its name is taken."""
        if isinstance(found.offer, Catalogue):
            others = [f for c, f in self.catalogues if (c.kind, c.name) == (found.offer.kind, found.offer.name)]
            other = others[0] if others else found
            what = f"catalogue of {found.offer.kind}s"
        else:
            other, what = self.found[kind].setdefault(found.offer.name, found), kind
        if other is not found:
            raise PluginError(
                f"plugins: must have names of their own, got {_a(what)} '{found.offer.name}' twice: from {other.plugin} "
                f"({other.origin}) and from {found.plugin} ({found.origin}); rename one or block one by its plugin name"
            )
        if isinstance(found.offer, Catalogue):
            self.catalogues.append((found.offer, found))

    def find(self, kind: Kind, name: str, where: str) -> Found:
        """Return the plugin of that kind and name; raises UnknownName, which names ``where`` it was asked for."""
        if name in self.found[kind]:
            return self.found[kind][name]
        if kind == "optimizer" and name.endswith(")") and name.count("(") <= MOST_AROUND:
            return self._wrapped(name, where)
        for catalogue, source in self.catalogues:
            prefix = f"{catalogue.name}:"
            if catalogue.kind == kind and (name.startswith(prefix) or not catalogue.qualified):
                try:
                    offer = _look_up(catalogue, name.removeprefix(prefix))
                except PluginError as error:
                    raise UnknownName(
                        f"{where}: must name {_a(kind)} that works here, got {shown(name)}: {error}"
                    ) from error
                if offer is not None:
                    return Found(offer, source.plugin, source.origin, source.sha256)
        hint = self._hint(kind, name)
        if self.blocked:
            hint += f" (blocked: {', '.join(sorted(self.blocked))})"
        if self.broken:
            hint += f" (plugins that could not be loaded: {', '.join(sorted(self.broken))}; see 'harness list')"
        raise UnknownName(f"{where}: must name {_a(kind)}, got {shown(name)}{hint}")

    def in_library(self, kind: Kind, name: str) -> bool:
        """Return whether only a library can say if there is such a plugin; asking one takes seconds."""
        inner = name.rstrip(")").rpartition("(")[2]
        prefixes = [f"{c.name}:" if c.qualified else "" for c, _ in self.catalogues if c.kind == kind]
        return inner not in self.found[kind] and any(inner.startswith(prefix) for prefix in prefixes)

    def _wrapped(self, name: str, where: str) -> Found:
        """Return the optimizer ``outer(inner)``: ``sam(adam)``, ``ema(sam(timm:lamb))``."""
        outer_name, _, inner_name = name.removesuffix(")").partition("(")
        outer, inner = self.find("optimizer", outer_name, where), self.find("optimizer", inner_name, where)
        assert isinstance(outer.offer, Optimizer)
        assert isinstance(inner.offer, Optimizer)
        if outer.offer.around is None:
            able = ", ".join(n for n, f in self.found["optimizer"].items() if getattr(f.offer, "around", None))
            raise UnknownName(
                f"{where}: must name an optimizer that goes around another, got {shown(outer_name)} in {shown(name)}; "
                f"these do: {able or 'none'}"
            )
        try:
            with Boundary("optimizer", outer_name, "go around another", everything=True):
                offer = replace(outer.offer.around(inner.offer), name=name, around=None)
                wrong = check(offer, found=True)
        except PluginFailed as error:
            wrong = error.why
        if wrong:
            raise UnknownName(f"{where}: must name an optimizer that works here, got {shown(name)}: {wrong}")
        return Found(offer, outer.plugin, outer.origin, digest([outer.sha256, inner.sha256]))

    def _hint(self, kind: Kind, name: str) -> str:
        """Return the names that may have been meant: the same in a catalogue, whatever its case, or the nearest."""
        known = set(self.found[kind])
        for catalogue, _ in self.catalogues:
            if catalogue.kind == kind:
                prefix = f"{catalogue.name}:" if catalogue.qualified else ""
                with suppress(PluginFailed), Boundary("catalogue", catalogue.name, "say its names"):
                    known |= {f"{prefix}{each}" for each in catalogue.names()}
        bare = name.lower().rpartition(":")[2]
        same = sorted(each for each in known if each.lower().rpartition(":")[2] == bare)
        return f"; did you mean {' or '.join(map(repr, same))}?" if same else did_you_mean(name, known)

    def get(self, kind: Kind, name: str, type_: type[T], where: str = "harness") -> T:
        """Return the offer itself, as its own type."""
        offer = self.find(kind, name, where).offer
        assert isinstance(offer, type_)
        return offer

    def all(self, kind: Kind) -> list[Offer]:
        """Return every offer of a kind, ordered by name."""
        offers = (found.offer for _, found in sorted(self.found[kind].items()))
        return [offer for offer in offers if not isinstance(offer, Catalogue)]


def _look_up(catalogue: Catalogue, name: str) -> Offer | None:
    """Return what a catalogue has by that name, checked; raises PluginError where it does not work here."""
    with Boundary("catalogue", catalogue.name, "find it or return None"):
        offer = catalogue.find(name)
    if offer is None:
        return None
    type_ = OFFERS[catalogue.kind]
    if not isinstance(offer, type_):
        raise PluginError(f"catalogue '{catalogue.name}' must return {_a(catalogue.kind)}, got {brief(offer)}")
    if wrong := check(offer, found=True):
        raise PluginError(wrong)
    return offer


def _a(thing: str) -> str:
    return f"an {thing}" if thing[0] in "aeiou" else f"a {thing}"
