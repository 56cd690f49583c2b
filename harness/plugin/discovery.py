"""Finding plugins: installed distributions, the built-ins among them, and loose files.

Every source goes through one door: a module whose ``@hookimpl`` functions return frozen values. An installed plugin
that cannot be imported is noted and named, and does not stop the others. A loose file that cannot be imported is an error,
because the user asked for it.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import os
import pkgutil
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, NoReturn

import pluggy

from harness.errors import PluginError, did_you_mean, shown
from harness.plugin.boundary import Boundary, PluginFailed
from harness.plugin.contracts import KINDS, OFFERS, Catalogue, Kind
from harness.plugin.process_settings import kept
from harness.plugin.registry import Offered, Registry
from harness.plugin.source_hash import Sources
from harness.plugin.validate import brief, check

GROUP = "harness"
OURS = ("harness_plugins.", "harness_reports.")  # they change no setting of the process: the tests look


def discover(files: Sequence[Path] = (), block: Iterable[str] = (), check_block: bool = True) -> Registry:
    """Return every plugin installed, and those of the loose ``files``, except the blocked.

    Raises PluginError for a loose file that cannot be loaded, for two plugins that offer one name and, with
    ``check_block``, for a blocked name that no plugin has.
    """
    manager = pluggy.PluginManager("harness")
    registry, sources = Registry(), Sources()
    block = set(block)
    for point in _entry_points():
        origin = _distribution_of(point)  # reads a file each time
        for name in _module_names(point, block, registry):
            _load_plugin(_Source(name, origin), manager, registry, sources)
    for file in files:
        if file.stem in block:
            registry.blocked.add(file.stem)
        else:
            _load_plugin(_Source(file.stem, str(file), file, _content_of(file)), manager, registry, sources)
    for name in sorted(block - registry.blocked) if check_block else ():
        raise PluginError(f"block: must name a plugin, got {shown(name)}{did_you_mean(name, registry.origins)}")
    return registry


def load_only(modules: Mapping[str, str], files: Mapping[Path, bytes]) -> Registry:
    """Return the plugins of these modules, each with its origin, and of these loose files by what was in them.

    A worker loads what its driver has chosen, and nothing else. The files need not be there, and may have changed since.
    Raises PluginError where one cannot be loaded.
    """
    manager = pluggy.PluginManager("harness")
    registry, sources = Registry(), Sources()
    for name, origin in modules.items():
        _load_plugin(_Source(name, origin), manager, registry, sources)
    for file, content in files.items():
        _load_plugin(_Source(file.stem, str(file), file, content), manager, registry, sources)
    for name, reason in registry.broken.items():
        raise PluginError(f"plugin {name}: {reason}")
    return registry


def _content_of(file: Path) -> bytes:
    """Return what is in a loose file; raises PluginError where there is none."""
    if not file.is_file():
        raise PluginError(f"{file}: must be a plugin file, got nothing there; check the path")
    return file.read_bytes()


def _entry_points() -> list[EntryPoint]:
    """Return our entry points; two of one name are refused, because one of them would silently be dropped."""
    seen: dict[str, EntryPoint] = {}
    for point in entry_points(group=GROUP):
        earlier = seen.setdefault(point.name, point)
        if earlier.value != point.value:
            raise PluginError(
                f"plugins: must have names of their own, got two entry points '{point.name}': "
                f"{_distribution_of(earlier)} ({earlier.value}) and {_distribution_of(point)} ({point.value}); uninstall one"
            )
    return [seen[name] for name in sorted(seen)]


def _distribution_of(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown distribution"


def _module_names(point: EntryPoint, block: set[str], registry: Registry) -> list[str]:
    """Return the modules an entry point brings: itself, or every module of a package not starting with ``_``.

    What is in ``block``, by its full or its last name, is left out and noted.
    """
    if point.name in block:
        registry.blocked.add(point.name)
        return []
    try:
        with Boundary("plugin", point.name, "import", everything=True):
            spec = importlib.util.find_spec(point.module)  # which imports a parent package
    except PluginFailed as error:
        registry.broken[point.name] = error.why
        return []
    if spec is None:
        registry.broken[point.name] = f"no module named '{point.module}'"
        return []
    folders = spec.submodule_search_locations
    names = []
    for name in _submodules(folders, point.module, registry) if folders else (point.module,):
        hit = block & {name, name.rpartition(".")[2]}
        registry.blocked |= hit
        if not hit:
            names.append(name)
    return names


def _submodules(folders: Iterable[str], package: str, registry: Registry) -> Iterator[str]:
    """Yield the modules of a package, and of those inside it, not starting with ``_``."""
    for info in pkgutil.iter_modules(folders, f"{package}."):
        if "._" in info.name:
            continue
        if not info.ispkg:
            yield info.name
            continue
        try:
            with Boundary("plugin", info.name, "import", everything=True):
                inner = importlib.import_module(info.name).__path__
        except PluginFailed as error:
            registry.broken[info.name] = f"must import, got {error.why}"
        else:
            yield from _submodules(inner, info.name, registry)


@dataclass(frozen=True)
class _Source:
    """A plugin to be loaded."""

    name: str
    origin: str
    file: Path | None = None  # a loose file: it was asked for, so it cannot be left out
    content: bytes = b""  # of the file, when it was read


class _Refused(Exception):
    """Why a plugin cannot be loaded, and the line of its file, ``:LINE`` or nothing."""

    def __init__(self, why: str, line: str = "") -> None:
        super().__init__(why)
        self.line = line


def _load_plugin(source: _Source, manager: pluggy.PluginManager, registry: Registry, sources: Sources) -> None:
    """Add all that a plugin offers, or nothing of it: then raise PluginError for a loose file, else note why."""
    try:
        _reserve_name(source, registry)
        _import_torch_before(source)
        with nullcontext() if source.name.startswith(OURS) else kept(f"plugin {source.name}, while it was loaded,"):
            module = _import_source(source)
            with _translate_errors("offer its plugins", source.file):
                offers = _collect_offers(module, source, manager)
    except _Refused as error:
        if source.file:
            raise PluginError(f"{source.file}{error.line}: {error}") from error
        registry.broken[source.name] = str(error)
        return
    if source.file is not None:
        sha256 = hashlib.sha256(source.content).hexdigest()
        registry.files[source.name] = (source.file.absolute(), source.content)
    else:
        sha256 = sources.fingerprint_of(module)
    for kind, offer in offers:
        registry.add(kind, Offered(offer, source.name, source.origin, sha256, summary_of(module, offer.name)))


def summary_of(module: ModuleType, name: str) -> str:
    """Return the first sentence of a module's docstring, without the name before its colon; "" where there is none.

    >>> module = ModuleType("unit", "Unit: every tensor moves by lr along its gradient. You et al. 2017.")
    >>> summary_of(module, "unit")
    'every tensor moves by lr along its gradient'
    """
    text = " ".join((module.__doc__ or "").split("\n\n", 1)[0].replace("``", "").split())
    sentence = re.split(r"\.(?: |$)", text, maxsplit=1)[0]
    title, _, rest = sentence.partition(": ")
    letters, letters_of_name = (re.sub(r"[\W_]", "", text).casefold() for text in (title, name))
    return rest if rest and letters_of_name.startswith(letters) else sentence


def _import_torch_before(source: _Source) -> None:
    """Import torch where a loose file does, before its process's settings are noted: what the file changes of torch is then seen.

    Else every function of torch would look like a change of the plugin's.
    """
    if re.search(rb"^(import|from) torch\b", source.content, re.MULTILINE):
        importlib.import_module("torch")


def _reserve_name(source: _Source, registry: Registry) -> None:
    """Note the plugin's name, by which it can be blocked; no second plugin may have it."""
    if source.name in registry.origins:
        raise _Refused(
            f"must be a plugin with a name of its own, got '{source.name}', which {registry.origins[source.name]} has; "
            "rename one or leave one out"
        )
    registry.origins[source.name] = source.origin


@contextmanager
def _translate_errors(must: str, file: Path | None) -> Iterator[None]:
    """Turn whatever a plugin's code raises into a refusal, ``os._exit`` too, which would end the process silently."""
    try:
        with Boundary(everything=True), _refuse_exit():
            yield
    except PluginFailed as error:
        cause = error.raised
        if isinstance(cause, _Refused):
            raise cause from None
        must = "be valid Python" if isinstance(cause, SyntaxError) else must
        raise _Refused(f"must {must}, got {error.why}", _line_of_error(cause, file)) from cause


@contextmanager
def _refuse_exit() -> Iterator[None]:
    leave = os._exit

    def refuse(status: int) -> NoReturn:
        raise SystemExit(f"os._exit({status})")

    os._exit = refuse
    try:
        yield
    finally:
        os._exit = leave


def _line_of_error(error: BaseException, file: Path | None) -> str:
    """Return ``:LINE``, the last line of the file that the error passed through, or nothing."""
    places = [(frame.f_code.co_filename, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        places.append((error.filename, error.lineno))
    lines = [line for name, line in places if file and Path(name).resolve() == file.resolve()]
    return f":{lines[-1]}" if lines else ""


def _import_source(source: _Source) -> ModuleType:
    """Return the imported module of a plugin; a loose file gets a module name that no other file has."""
    file = source.file
    if file is None:
        with _translate_errors("import", file):
            return importlib.import_module(source.name)
    key = hashlib.sha256(os.fsencode(file.resolve())).hexdigest()[:8]
    name = f"harness_plugin_{file.stem}_{key}"
    spec = importlib.util.spec_from_file_location(name, file, loader=_Given(name, str(file), source.content))
    if spec is None or spec.loader is None or file.suffix != ".py":
        raise _Refused(f"must be a Python file (.py), got '{file.suffix}'")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and typing look their module up there
    with _translate_errors("import", file):
        spec.loader.exec_module(module)
    return module


class _Given(SourceFileLoader):
    """A loader of a file whose content is given; the file itself is not read."""

    def __init__(self, name: str, path: str, content: bytes) -> None:
        super().__init__(name, path)
        self._content = content

    def get_code(self, fullname: str) -> CodeType:
        """Return the code of the content; no compiled file is looked for or kept."""
        code: CodeType = self.source_to_code(self._content, self.path)
        return code


def _collect_offers(module: ModuleType, source: _Source, manager: pluggy.PluginManager) -> list[tuple[Kind, Any]]:
    """Return the offers of a module's hooks, each with its kind."""
    hooks = list(_find_hooks(module, manager))
    offers: list[tuple[Kind, Any]] = []
    for hook, function in hooks:
        offers += [(_HOOKS[hook][0], offer) for offer in _call_hook(hook, function)]
    if source.file and not offers:
        raise _Refused(f"must offer a plugin, got none; {_what_is_missing(module, [hook for hook, _ in hooks])}")
    return offers


def _what_is_missing(module: ModuleType, marked: Sequence[str]) -> str:
    """Return what the author of a file without a plugin has to do."""
    unmarked = next((name for name in _HOOKS if callable(getattr(module, name, None)) and name not in marked), "")
    if unmarked:
        return f"write @hookimpl above {unmarked}"
    if marked:
        return f"{marked[0]} must return a list with a plugin in it"
    return f"return one from a hook marked @hookimpl: {', '.join(_HOOKS)}"


def _find_hooks(module: ModuleType, manager: pluggy.PluginManager) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield the functions marked ``@hookimpl``, each with the hook it implements."""
    functions = sorted(name for name, value in vars(module).items() if isinstance(value, FunctionType))
    for name in functions:  # pluggy looks at all else too, which takes longer than the rest of the discovery
        options = manager.parse_hookimpl_opts(module, name)
        if options is not None:
            hook, function = options.get("specname") or name, getattr(module, name)
            if hook not in _HOOKS:
                hint = did_you_mean(hook, _HOOKS)
                raise _Refused(f"must implement a hook that there is, got {hook}(){hint}", _line_of_function(function))
            if options["wrapper"] or options["hookwrapper"]:
                reason = f"{hook}() must be a plain hook, got a wrapper of other hooks; take wrapper=True out"
                raise _Refused(reason, _line_of_function(function))
            _check_signature(hook, function)
            yield hook, function


def _check_signature(hook: str, function: Callable[[], Any]) -> None:
    signature = inspect.signature(function)
    if signature.parameters:
        raise _Refused(f"{hook}() must take no arguments, got {signature}; take them out", _line_of_function(function))


def _call_hook(hook: str, function: Callable[[], Any]) -> list[Any]:
    """Return the offers of a hook, each of them checked."""
    offers, contract = function(), _HOOKS[hook][1]
    if not isinstance(offers, list) or not all(isinstance(offer, contract) for offer in offers):
        raise _Refused(
            f"{hook}() must return a list of {contract.__name__}, got {brief(offers)}", _line_of_function(function)
        )
    for offer in offers:
        if wrong := check(offer):
            raise _Refused(wrong, _line_of_function(function))
    return offers


def _line_of_function(function: Callable[[], Any]) -> str:
    return f":{function.__code__.co_firstlineno}"


def _plural_of(kind: Kind) -> str:
    return {"analysis": "analyses"}.get(kind, f"{kind}s")


_HOOKS: dict[str, tuple[Kind, type]] = {f"harness_{_plural_of(kind)}": (kind, OFFERS[kind]) for kind in KINDS}
_HOOKS["harness_catalogues"] = ("backbone", Catalogue)  # of any kind: a catalogue says its own
