"""What a plugin's source is: its own file, and the modules of its package that it imports.

A corrected helper must make new runs as a corrected plugin does. Other packages are not part of it: what they do is in
an identity of their own, or in the run's environment.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import re
import sys
import unicodedata
from functools import cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType


class Sources:
    """Source files, each looked for and read once: plugins of a package import much the same modules.

    A file that changes later is seen by a new one.

    >>> Sources().fingerprint(Path("nowhere.py"), "nowhere")
    ''
    """

    def __init__(self) -> None:
        self._folders: dict[str, list[str]] = {}  # by package
        self._names: dict[Path, frozenset[str]] = {}  # by folder: what is in it
        self._files: dict[str, Path | None] = {}  # by module
        self._contents: dict[Path, bytes] = {}
        self._hashes: dict[Path, str] = {}

    def fingerprint(self, file: Path, module: str) -> str:
        """Return the SHA-256 of a plugin's file and of the modules of its package that it imports; "" without a file.

        The imports may stand anywhere, absolute or relative, and what is imported has imports too. A loose file has no
        package, and a file that is no source has no imports to be seen.
        """
        return self._of_files(self._files_of(file, module), module)

    def fingerprint_of(self, module: ModuleType) -> str:
        """Return the fingerprint of an imported module, from its first call in a process on.

        The process goes on with what it has imported, whatever becomes of the files. So the files are read again only where
        the module or one that it imports was imported again, or for the first time.
        """
        name = module.__name__
        imports, fingerprint = _OF_IMPORTED.get(name, ({}, ""))
        if imports.get(name) is None or any(_import_of(file) is not before for file, before in imports.items()):
            files = self._files_of(Path(module.__file__ or ""), name)
            fingerprint = self._of_files(files, name)
            _OF_IMPORTED[name] = ({file: _import_of(file) for file in files}, fingerprint)
        return fingerprint

    def _files_of(self, file: Path, module: str) -> dict[str, Path]:
        """Return the files of a module and of those of its package that it imports, by their names."""
        if not file.is_file():
            return {}
        files = {module: file}
        waiting = [module]
        while waiting:
            name = waiting.pop()
            for imported in _imports(self._content(files[name]), name, files[name].name == "__init__.py"):
                place = None if imported in files else self._file_of(imported)
                if place:
                    files[imported] = place
                    waiting.append(imported)
        return files

    def _of_files(self, files: dict[str, Path], module: str) -> str:
        """Return the fingerprint of a module whose files are these."""
        hashes = {name: self._hash(path) for name, path in files.items()}
        if len(hashes) < 2:
            return hashes.get(module, "")
        return hashlib.sha256("\n".join(f"{name} {path}" for name, path in sorted(hashes.items())).encode()).hexdigest()

    def _content(self, file: Path) -> bytes:
        if file not in self._contents:
            self._contents[file] = file.read_bytes()
        return self._contents[file]

    def _hash(self, file: Path) -> str:
        if file not in self._hashes:
            self._hashes[file] = hashlib.sha256(self._content(file)).hexdigest()
        return self._hashes[file]

    def _file_of(self, module: str) -> Path | None:
        """Return the file of a module, or None for a name that is no module; nothing is imported."""
        if module not in self._files:
            self._files[module] = self._looked_for(module)
        return self._files[module]

    def _looked_for(self, module: str) -> Path | None:
        package, *rest = module.split(".")
        if package not in self._folders:
            spec = importlib.util.find_spec(package)
            self._folders[package] = list(spec.submodule_search_locations or ()) if spec else []
        *above, name = rest or [""]
        for folder in self._folders[package]:
            place = Path(folder, *above)
            for inside, file in ((place, f"{name}.py"), (place / name, "__init__.py")):
                if file in self._in(inside) and (inside / file).is_file():
                    return inside / file
        return None

    def _in(self, folder: Path) -> frozenset[str]:
        """Return the names of what is in a folder. To ask for each file by itself takes many times as long."""
        if folder not in self._names:
            try:
                self._names[folder] = frozenset(place.name for place in folder.iterdir())
            except OSError:
                self._names[folder] = frozenset()
        return self._names[folder]


_OF_IMPORTED: dict[str, tuple[dict[str, ModuleSpec | None], str]] = {}  # by module: its imports, its fingerprint


def _import_of(module: str) -> ModuleSpec | None:
    """Return by what a module was imported, which is another object after each import; None for one that is not."""
    return getattr(sys.modules.get(module), "__spec__", None)


def fingerprint(file: Path, module: str) -> str:
    """Return the SHA-256 of a plugin's file and of the modules of its package that it imports, as they are now.

    >>> fingerprint(Path("nowhere.py"), "nowhere")
    ''
    """
    return Sources().fingerprint(file, module)


@cache  # every plugin of a package imports much the same
def _imports(source: bytes, module: str, is_package: bool) -> tuple[str, ...]:
    """Return the names in the module's own package that a source may import; some are names inside a module."""
    if not _may_import(source, module.partition(".")[0]):
        return ()
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return ()
    top = module.partition(".")[0]
    parents = module.split(".") if is_package else module.split(".")[:-1]
    imported: list[str] = []
    for node in ast.walk(tree):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = parents[: len(parents) + 1 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        imported += [name for name in names if name.partition(".")[0] == top and name != top]
    return tuple(imported)


def _may_import(source: bytes, package: str) -> bool:
    """Return whether a source could import from the package: it names it, or it has a relative import.

    Most plugins do neither, and to parse all of them takes a twentieth of a command's time.
    """
    if not source.isascii():  # Python takes some other letters for those of the name
        source = unicodedata.normalize("NFKC", source.decode(errors="replace")).encode()
    return package.encode() in source or re.search(rb"\bfrom[\s\\]*\.", source) is not None
