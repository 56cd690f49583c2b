"""Which module of the product imports which, read from the source: nothing is imported to find out."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PACKAGES = {"harness": ROOT, "harness_plugins": ROOT / "plugins", "harness_reports": ROOT / "reports"}
Imports = dict[str, set[str]]  # by module: what it imports


def modules() -> dict[str, Path]:
    """Return every module of the product by its name, with its file."""
    files = {}
    for package, folder in PACKAGES.items():
        for file in sorted((folder / package).rglob("*.py")):
            parts = file.relative_to(folder).with_suffix("").parts
            files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return files


@cache
def parsed(file: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(file.read_text(encoding="utf-8"))


def is_type_checking(node: ast.AST) -> bool:
    """Return whether a statement is ``if TYPE_CHECKING:`` or ``if typing.TYPE_CHECKING:``."""
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def import_statements(tree: ast.AST, type_checking: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    """Yield the import statements of a module, those inside functions too, and those for type checkers if asked for."""
    for node in ast.iter_child_nodes(tree):
        if is_type_checking(node) and not type_checking:
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        yield from import_statements(node, type_checking)


def imported_modules(file: Path, known: dict[str, Path], type_checking: bool) -> Iterator[str]:
    """Yield the modules that a file imports: by their whole names in the product, by their top names elsewhere."""
    for node in import_statements(parsed(file), type_checking):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            assert node.level == 0, f"{file}:{node.lineno}: a relative import"
            base = str(node.module)
            names = [f"{base}.{alias.name}" if f"{base}.{alias.name}" in known else base for alias in node.names]
        for name in names:
            yield name if name in known else name.partition(".")[0]


def import_graph(type_checking: bool) -> Imports:
    """Return what every module of the product imports, with or without what it imports for type checkers only."""
    known = modules()
    return {name: set(imported_modules(file, known, type_checking)) - {name} for name, file in known.items()}


def reachable(graph: Imports, starts: Iterable[str]) -> dict[str, str]:
    """Return every module that some reach through imports, each with the module that imports it on a shortest way."""
    importers = dict.fromkeys(starts, "")
    waiting = list(importers)
    for name in waiting:
        for imported in sorted(graph.get(name, ())):
            if imported not in importers:
                importers[imported] = name
                waiting.append(imported)
    return importers


def way(importers: dict[str, str], end: str) -> str:
    """Return the imports that lead to a module, as text: ``a > b > c``."""
    names = [end]
    while importers[names[-1]]:
        names.append(importers[names[-1]])
    return " > ".join(reversed(names))
