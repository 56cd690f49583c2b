"""Finding plugins: installed distributions, the built-ins among them, and loose files.

Every source goes through one door: a module whose ``@hookimpl`` functions return frozen values. An installed plugin
that cannot be imported is remembered and named, and does not stop the others; a loose file was asked for, so it does.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import pkgutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import pluggy

from harness import hookspecs
from harness.contracts import KINDS, OFFERS, Catalogue, Kind, Offer
from harness.errors import PluginError, UnknownName, did_you_mean, one_line

GROUP = "harness"
T = TypeVar("T")


@dataclass(frozen=True)
class Found:
    """An offer and where it comes from."""

    offer: Offer
    plugin: str  # the plugin's name, by which it can be blocked
    origin: str  # a distribution or a file, for a person
    sha256: str  # of the plugin's source file


@dataclass
class Registry:
    """Every plugin found, by kind and name."""

    found: dict[Kind, dict[str, Found]] = field(default_factory=lambda: {kind: {} for kind in KINDS})
    catalogues: list[tuple[Catalogue, Found]] = field(default_factory=list)
    broken: dict[str, str] = field(default_factory=dict)  # plugin -> why it could not be loaded
    blocked: set[str] = field(default_factory=set)  # plugins left out because the user said so

    def find(self, kind: Kind, name: str, where: str) -> Found:
        """Return the plugin of that kind and name; raises UnknownName, which names ``where`` it was asked for."""
        if name in self.found[kind]:
            return self.found[kind][name]
        for catalogue, source in self.catalogues:
            prefix = f"{catalogue.name}:"
            if catalogue.kind == kind and (name.startswith(prefix) or not catalogue.qualified):
                try:
                    offer = catalogue.find(name.removeprefix(prefix))
                except PluginError as error:
                    raise UnknownName(
                        f"{where}: must name {_a(kind)} that works here, got '{name}': {error}"
                    ) from error
                if offer is not None:
                    return Found(offer, source.plugin, source.origin, source.sha256)
        hint = self._hint(kind, name)
        if self.broken:
            hint += f" (plugins that could not be loaded: {', '.join(sorted(self.broken))}; see 'harness list')"
        raise UnknownName(f"{where}: must name {_a(kind)}, got '{name}'{hint}")

    def _hint(self, kind: Kind, name: str) -> str:
        """Return the names that may have been meant: the same in a catalogue, whatever its case, or the nearest."""
        known = set(self.found[kind])
        for catalogue, _ in self.catalogues:
            if catalogue.kind == kind:
                prefix = f"{catalogue.name}:" if catalogue.qualified else ""
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
        return [found.offer for _, found in sorted(self.found[kind].items())]


def discover(files: Sequence[Path] = (), block: Iterable[str] = ()) -> Registry:
    """Return every plugin installed, and those of the loose ``files``, except the blocked.

    Raises PluginError for a loose file that cannot be loaded, and for two plugins that offer one name.
    """
    manager = pluggy.PluginManager("harness")
    manager.add_hookspecs(hookspecs)
    registry = Registry()
    block = set(block)
    for point in _entry_points():
        for name in _modules_of(point, block, registry):
            _load_installed(name, point, manager, registry)
    for file in files:
        if file.stem in block:
            registry.blocked.add(file.stem)
        else:
            _register(_load_file(file), file.stem, str(file), manager, registry)
    for name in sorted(block - registry.blocked):
        known = [plugin for plugin, _ in manager.list_name_plugin()]
        raise PluginError(f"block: must name a plugin, got '{name}'{did_you_mean(name, known)}")
    return registry


def _entry_points() -> list[EntryPoint]:
    """Return our entry points; two of one name are refused, because one of them would silently be dropped."""
    seen: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        other = seen.setdefault(point.name, point)
        if other.value != point.value:
            raise PluginError(
                f"plugins: must have names of their own, got two entry points '{point.name}': "
                f"{_distribution(other)} ({other.value}) and {_distribution(point)} ({point.value}); uninstall one"
            )
    return [seen[name] for name in sorted(seen)]


def _distribution(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown distribution"


def _modules_of(point: EntryPoint, block: set[str], registry: Registry) -> list[str]:
    """Return the modules an entry point brings: itself, or every module of a package not starting with ``_``.

    What is in ``block``, by its full or its last name, is left out and noted.
    """
    if point.name in block:
        registry.blocked.add(point.name)
        return []
    try:
        spec = importlib.util.find_spec(point.module)
    except Exception as error:  # a parent package may raise anything while it is imported
        registry.broken[point.name] = one_line(error)
        return []
    if spec is None:
        registry.broken[point.name] = f"no module named '{point.module}'"
        return []
    if not spec.submodule_search_locations:
        return [point.module]
    infos = pkgutil.walk_packages(spec.submodule_search_locations, f"{point.module}.")
    names = [info.name for info in infos if not info.ispkg and "._" not in info.name]
    kept = []
    for name in names:
        hit = block & {name, name.rpartition(".")[2]}
        registry.blocked |= hit
        if not hit:
            kept.append(name)
    return kept


def _load_installed(name: str, point: EntryPoint, manager: pluggy.PluginManager, registry: Registry) -> None:
    try:
        module = importlib.import_module(name)
    except Exception as error:  # a stranger's module may raise anything; it is named, and the others go on
        registry.broken[name] = one_line(error)
        return
    _register(module, name, _distribution(point), manager, registry)


def _load_file(file: Path) -> ModuleType:
    """Import a loose plugin file under a name of its own; raises PluginError with its line."""
    if not file.is_file():
        raise PluginError(f"{file}: must be a plugin file, got nothing there; check the path")
    key = hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:8]
    spec = importlib.util.spec_from_file_location(f"harness_plugin_{file.stem}_{key}", file)
    if spec is None or spec.loader is None:
        raise PluginError(f"{file}: must be a Python file (.py), got '{file.suffix}'")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and typing look their module up there
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise PluginError(f"{file}:{error.lineno}: must be valid Python, got {one_line(error)}") from error
    except Exception as error:
        raise PluginError(f"{file}{_line_in(error, file)}: must import, got {one_line(error)}") from error
    return module


def _line_in(error: BaseException, file: Path) -> str:
    """Return ``:LINE``, the last line of the file that the traceback passed through."""
    line, trace = "", error.__traceback__
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename).name == file.name:
            line = f":{trace.tb_lineno}"
        trace = trace.tb_next
    return line


def _register(module: ModuleType, name: str, origin: str, manager: pluggy.PluginManager, registry: Registry) -> None:
    """Call the module's hooks and take what they offer."""
    source = Path(module.__file__ or "")
    sha256 = hashlib.sha256(source.read_bytes()).hexdigest() if source.is_file() else ""
    loose = source.suffix == ".py" and str(source) == origin
    try:
        manager.register(module, name)
        for kind, offer in _offers(module, manager):
            found = Found(offer, name, origin, sha256)
            if isinstance(offer, Catalogue):
                registry.catalogues.append((offer, found))
            else:
                _add(registry, kind, found)
    except (pluggy.PluginValidationError, _BadOffer) as error:
        _refuse(registry, name, origin, str(error), loose)
    except PluginError:
        raise
    except Exception as error:  # the plugin's own hook raised
        _refuse(
            registry,
            name,
            f"{origin}{_line_in(error, source)}",
            f"must offer its plugins, got {one_line(error)}",
            loose,
        )


class _BadOffer(Exception):
    """A hook returned something that is not a list of its kind."""


def _offers(module: ModuleType, manager: pluggy.PluginManager) -> Iterable[tuple[Kind, Any]]:
    """Yield what each hook of this one module returns, checked for its type."""
    hooks: list[tuple[Kind, str, type]] = [(k, f"harness_{_plural(k)}", OFFERS[k]) for k in KINDS]
    hooks.append(("backbone", "harness_catalogues", Catalogue))
    for kind, hook, type_ in hooks:
        for implementation in getattr(manager.hook, hook).get_hookimpls():
            if implementation.plugin is module:
                offers = implementation.function()
                if not isinstance(offers, list) or not all(isinstance(o, type_) for o in offers):
                    raise _BadOffer(f"{hook}() must return a list of {type_.__name__}, got {offers!r:.80}")
                yield from ((kind, offer) for offer in offers)


def _add(registry: Registry, kind: Kind, found: Found) -> None:
    name = found.offer.name
    other = registry.found[kind].setdefault(name, found)
    if other is not found:
        raise PluginError(
            f"plugins: must have names of their own, got {_a(kind)} '{name}' twice: from {other.plugin} "
            f"({other.origin}) and from {found.plugin} ({found.origin}); rename one or block one by its plugin name"
        )


def _refuse(registry: Registry, name: str, origin: str, why: str, loose: bool) -> None:
    if loose:
        raise PluginError(f"{origin}: {why}")
    registry.broken[name] = why


def _plural(kind: Kind) -> str:
    return {"analysis": "analyses"}.get(kind, f"{kind}s")


def _a(kind: Kind) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"
