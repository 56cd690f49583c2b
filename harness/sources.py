"""What a plugin's source is: its own file, and the helpers that stand beside it.

A corrected helper must make new runs as a corrected plugin does. Other plugins and libraries are not part of it: what
they do is in the identity of their own, or in the run's environment.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path


def fingerprint(file: Path, module: str) -> str:
    """Return the SHA-256 of a plugin's file and of every helper it imports, or ``""`` where there is no file.

    A helper is a module of the same top-level package with a part of its name that begins with ``_``; the imports may
    stand anywhere, and helpers have helpers. A loose file has none.
    """
    if not file.is_file():
        return ""
    sources = {module: file.read_bytes()}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        for helper in _helpers(sources[name], module.partition(".")[0]):
            place = helper not in sources and _file_of(helper)
            if place:
                sources[helper] = place.read_bytes()
                waiting.append(helper)
    if len(sources) == 1:
        return hashlib.sha256(sources[module]).hexdigest()
    parts = [f"{name} {hashlib.sha256(content).hexdigest()}" for name, content in sorted(sources.items())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _helpers(source: bytes, package: str) -> Iterator[str]:
    """Yield the modules that a source may import and that are helpers of that package."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            first, *rest = name.split(".")
            if first == package and any(part.startswith("_") for part in rest):
                yield name


def _file_of(module: str) -> Path | None:
    """Return a module's file, or None where there is no such module (it was a name in one); nothing is imported."""
    package, *rest = module.split(".")
    spec = importlib.util.find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        place = Path(folder, *rest)
        for file in (place.with_name(f"{place.name}.py"), place / "__init__.py"):
            if file.is_file():
                return file
    return None
