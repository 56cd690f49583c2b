"""``harness new KIND NAME``: a benchmark file, or a working plugin of any kind with its test, loose or packaged.

The templates are modules that work as they stand. This command puts names into them, and refuses bad names.
"""

from __future__ import annotations

import ast
import keyword
import os
import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from harness import __version__
from harness.console.escaping import say_lines
from harness.console.numbers import with_article
from harness.errors import HarnessError, did_you_mean, disk, shown
from harness.plugin.contracts import KINDS

ALL = (*KINDS, "catalogue")
LONGEST = 30  # characters of a name, with which every line written fits the style
FLAGSHIP = "dogscats"  # the benchmark in which a new plugin is tried
_SETTINGS: Mapping[str, tuple[str, ...]] = {  # by kind: what makes a benchmark use one
    "dataset": ("data.dataset=newcomer", 'train.backbones=["mlp"]'),
    "task": ("train.task=newcomer",),
    "backbone": ('train.backbones=["newcomer"]',),
    "optimizer": ('train.optimizers=["sgd", "newcomer"]',),
    "scheduler": ('train.schedulers=["cosine", "newcomer"]',),
    "executor": ("train.executor=newcomer",),
    "probe": ('compare.probes=["newcomer"]',),
    "analysis": (),  # every installed analysis takes part
    "report": ('report.formats=["html", "newcomer"]',),
    "listener": ('report.listeners=["newcomer"]',),
    "catalogue": ('train.backbones=["newcomer:w16"]',),
}


def command(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND", help="benchmark, or a kind of plugin, such as optimizer; 'harness list' shows the kinds."
        ),
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it will be called.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write into.")] = Path(),
    package: Annotated[
        bool, typer.Option("--package", help="Write a whole Python package around the plugin, ready to install.")
    ] = False,
) -> None:
    """Write a benchmark file, or a plugin and its test.

    Both work as they stand, and are meant to be changed.
    """
    say_lines(lines(scaffold(kind, name, out, package)))


@dataclass(frozen=True)
class Scaffold:
    """The files that were written, and the commands to type next."""

    files: tuple[Path, ...]
    commands: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True)
class _Names:
    """A plugin's names: ``my-lion`` as it is asked for and offered, ``my_lion`` of its module, ``MyLion`` of its class."""

    kind: str
    offer: str
    asked: str

    @property
    def module(self) -> str:
        """The name of the file, without its ending."""
        return self.asked.replace("-", "_")

    @property
    def type(self) -> str:
        """The name of the class."""
        return "".join(part[:1].upper() + part[1:] for part in self.module.split("_"))


def scaffold(kind: str, name: str, out: Path = Path(), package: bool = False) -> Scaffold:
    """Write a plugin and its test into ``out``, or with ``package`` a distribution, the folder ``harness-NAME``.

    Where ``name`` is taken, the plugin is offered as ``my_NAME``, and the note says so. Raises HarnessError for an
    unknown kind, for a name that will not do, and where a file is there already: nothing is overwritten.
    """
    from harness.records.files import write

    if kind == "benchmark":
        return _new_benchmark(name, out, package)
    kind = {"analyses": "analysis"}.get(kind, kind if kind in ALL else kind.removesuffix("s"))
    if kind not in ALL:
        raise HarnessError(
            f"new: must be given a kind of plugin, got {shown(kind)}{did_you_mean(kind, (*ALL, 'benchmark'))}"
        )
    _check_name(kind, name, package)
    offer, note = _free_name(kind, name)
    names = _Names(kind, offer, name)
    root = out / f"harness-{name}" if package else out
    texts = _distribution(names) if package else _loose_files(names)
    if package and os.path.lexists(root):
        raise HarnessError(f"new: must be a new folder, got '{root}', which exists; take another name or --out DIR")
    written = [root / file for file in texts]
    for file in written:
        if os.path.lexists(file):
            raise HarnessError(f"new: must be a new file, got '{file}', which exists; take another name or --out DIR")
    with disk.writing(out, "name another folder with --out"):
        for file, text in zip(written, texts.values(), strict=True):
            file.parent.mkdir(parents=True, exist_ok=True)
            write(file, text.encode(), durable=False)
    return Scaffold(tuple(written), _next_commands(names, root, package), note)


def _new_benchmark(name: str, out: Path, package: bool) -> Scaffold:
    """Write a benchmark file with every key in it, the default ones as comments; nothing is overwritten."""
    from harness.benchmark.template import new_benchmark
    from harness.records.files import write

    if package:
        raise HarnessError("new: must be without --package for a benchmark, got it; leave --package out")
    text, file = new_benchmark(name), out / f"{name}.toml"
    if os.path.lexists(file):
        raise HarnessError(f"new: must be a new file, got '{file}', which exists; take another name or --out DIR")
    with disk.writing(out, "name another folder with --out"):
        out.mkdir(parents=True, exist_ok=True)
        write(file, text.encode(), durable=False)
    commands = (shlex.join(["harness", deed, str(file)]) for deed in ("plan", "run"))
    return Scaffold((file,), tuple(commands))


def lines(written: Scaffold) -> list[str]:
    """Return what the command prints: the files, and the commands to type next."""
    note = [f"note: {written.note}"] if written.note else []
    files = [f"wrote {file}" for file in written.files]
    return [*note, *files, "next:", *(f"  {command}" for command in written.commands)]


def _check_name(kind: str, name: str, package: bool) -> None:
    """Raise HarnessError for a name that cannot be a plugin's, a module's and a class's."""
    if not re.fullmatch(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*", name) or len(name) > LONGEST:
        hint = "-".join(re.findall(r"[a-z0-9]+", name.lower()))[:LONGEST].strip("-")
        better = f"; try '{hint}'" if re.match(r"[a-z]", hint) else ""
        raise HarnessError(
            f"new: must be a name of at most {LONGEST} small letters and digits, with single - or _ between, a letter first, "
            f"got {shown(name)}{better}"
        )
    names = _Names(kind, name, name)
    modules = {"conftest"} if package else {"conftest", *sys.stdlib_module_names, *_installed()}
    nodes = ast.walk(ast.parse(_read_template(f"{kind}.py")))
    used_in_template = {node.id for node in nodes if isinstance(node, ast.Name)}
    if keyword.iskeyword(names.module) or names.module in modules or names.type in used_in_template:
        raise HarnessError(
            f"new: must be a name that Python code may take, got {shown(name)}, which is in use; try 'my-{name}'"
        )


@cache  # they are looked up in a file of every distribution
def _installed() -> frozenset[str]:
    """Return the names of the modules and packages that are installed, without what lies inside of packages."""
    return frozenset(packages_distributions())


def _free_name(kind: str, name: str) -> tuple[str, str]:
    """Return ``name``, or ``my_NAME`` and why where it is taken; raises HarnessError where that is taken too."""
    from harness.plugin.discovery import discover

    registry = discover()
    if kind == "catalogue":
        taken = {catalogue.name: offer for catalogue, offer in registry.catalogues}
    else:
        taken = dict(next(offers for offered_kind, offers in registry.offers.items() if offered_kind == kind))
    if name not in taken:
        return name, ""
    owner = f"{taken[name].plugin} ({taken[name].origin})"
    free = f"my_{name}"
    if free in taken:
        raise HarnessError(f"new: must be a name that is free, got {shown(name)}, which {owner} has; take another")
    return free, f"the name '{name}' is taken by {owner}, so this {kind} is called '{free}'"


def _read_template(name: str) -> str:
    return (files("harness.testing") / "templates" / name).read_text(encoding="utf-8")


def _read_test_template(kind: str) -> str:
    return _read_template(f"test_{kind}.py")


def _loose_files(names: _Names) -> dict[str, str]:
    """Return the texts of the plugin and of its test, by file."""
    return {
        f"{names.module}.py": _with_names(_read_template(f"{names.kind}.py"), names, names.module),
        f"test_{names.module}.py": _with_names(_read_test_template(names.kind), names, names.module),
    }


def _distribution(names: _Names) -> dict[str, str]:
    """Return the texts of a whole distribution, by file."""
    package = f"harness_{names.module}"
    module = f"{package}.{names.module}"
    words = {
        "KIND": with_article(names.kind),
        "VERSION": __version__,
        "CHECK": _check_command(names),
        "USE": _run_command(names),
    }

    def filled(template: str) -> str:
        text = _read_template(template)
        text = re.sub(r"\b(KIND|VERSION|CHECK|USE)\b", lambda match: words[match[0]], text)
        text = text.replace("harness_newcomer", package).replace("newcomer.py", f"{names.module}.py")
        return text.replace("newcomer", names.asked)

    return {
        "pyproject.toml": filled("pyproject.toml.txt"),
        "README.md": filled("README.md.txt"),
        f"{package}/__init__.py": f'"""{names.offer}, {with_article(names.kind)} for harness."""\n',
        f"{package}/{names.module}.py": _with_names(_read_template(f"{names.kind}.py"), names, module),
        f"{package}/py.typed": "",
        f"tests/test_{names.module}.py": _with_names(_read_test_template(names.kind), names, module),
    }


def _with_names(template: str, names: _Names, module: str) -> str:
    """Return a template under its own names, with neighbouring imports in order again."""
    text = template.replace(f"harness.testing.templates.{names.kind}", module)
    text = text.replace("Newcomer", names.type).replace("newcomer", names.offer)
    return re.sub(r"(?:^from .+\n){2,}", lambda match: "".join(sorted(match[0].splitlines(True))), text, flags=re.M)


def _next_commands(names: _Names, root: Path, package: bool) -> tuple[str, ...]:
    """Return the commands to type next, in the folder where ``harness new`` was typed."""
    if package:
        install = shlex.join(["python", "-m", "pip", "install", "-e", str(root)])
        return install, _check_command(names), _run_command(names), shlex.join(["pytest", str(root)])
    file, test = str(root / f"{names.module}.py"), str(root / f"test_{names.module}.py")
    return _check_command(names, file), _run_command(names, "--plugin", file), shlex.join(["pytest", test])


def _check_command(names: _Names, file: str = "") -> str:
    """Return the command that checks the plugin; of a catalogue, one of the plugins it finds."""
    if names.kind == "catalogue":
        return shlex.join(["harness", "check", f"{names.offer}:w16", *(("--plugin", file) if file else ())])
    return shlex.join(["harness", "check", file or names.offer])


def _run_command(names: _Names, *options: str) -> str:
    """Return the command that runs a benchmark with the plugin in it."""
    settings = []
    for setting in _SETTINGS[names.kind]:
        settings += ["--set", setting.replace("newcomer", names.offer)]
    return shlex.join(["harness", "run", FLAGSHIP, *options, *settings])
