"""``harness new``: a benchmark file, or a working plugin of any kind with its test, loose or as a whole distribution.

The templates are modules that work as they stand; all that is done here is to put names in and to refuse bad ones.
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
from importlib.metadata import packages_distributions
from importlib.resources import files
from pathlib import Path

from harness import __version__
from harness.benchmark.template import new_benchmark
from harness.errors import HarnessError, did_you_mean, disk, shown
from harness.plugin.contracts import KINDS
from harness.plugin.discovery import discover
from harness.records.files import write

ALL = (*KINDS, "catalogue")
LONGEST = 30  # characters of a name, with which every line written fits the style
FLAGSHIP = Path("benchmarks", "dogscats.toml")
_SETTINGS: Mapping[str, tuple[str, ...]] = {  # what makes a benchmark use one
    "dataset": ("data.dataset=newcomer", 'train.backbones=["mlp"]'),
    "task": ("train.task=newcomer",),
    "backbone": ('train.backbones=["newcomer"]',),
    "optimizer": ('train.optimizers=["sgd", "newcomer"]',),
    "scheduler": ('train.schedulers=["cosine", "newcomer"]',),
    "executor": ("train.executor=newcomer",),
    "probe": ('compare.probes=["newcomer"]',),
    "analysis": (),  # every analysis there is takes part
    "report": ('report.formats=["html", "newcomer"]',),
    "catalogue": ('train.backbones=["newcomer:w16"]',),
}


@dataclass(frozen=True)
class Scaffold:
    """What was written, and what to type next."""

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
    texts = _distribution(names) if package else _loose(names)
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
    return Scaffold(tuple(written), _commands(names, root, package), note)


def _new_benchmark(name: str, out: Path, package: bool) -> Scaffold:
    """Write a benchmark file with every key in it, the default ones as comments; nothing is overwritten."""
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


def lines(found: Scaffold) -> list[str]:
    """Return what the command prints: the files, and the commands to type next."""
    note = [f"note: {found.note}"] if found.note else []
    return [*note, *(f"wrote {file}" for file in found.files), "next:", *(f"  {command}" for command in found.commands)]


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
    own = {"conftest"} if package else {"conftest", *sys.stdlib_module_names, *packages_distributions()}
    words = {node.id for node in ast.walk(ast.parse(_template(f"{kind}.py"))) if isinstance(node, ast.Name)}
    if keyword.iskeyword(names.module) or names.module in own or names.type in words:
        raise HarnessError(
            f"new: must be a name that Python code may take, got {shown(name)}, which is in use; try 'my-{name}'"
        )


def _free_name(kind: str, name: str) -> tuple[str, str]:
    """Return ``name``, or ``my_NAME`` and why where it is taken; raises HarnessError where that is taken too."""
    registry = discover()
    if kind == "catalogue":
        taken = {catalogue.name: found for catalogue, found in registry.catalogues}
    else:
        taken = {n: found for each, offers in registry.found.items() if each == kind for n, found in offers.items()}
    if name not in taken:
        return name, ""
    whose = f"{taken[name].plugin} ({taken[name].origin})"
    mine = f"my_{name}"
    if mine in taken:
        raise HarnessError(f"new: must be a name that is free, got {shown(name)}, which {whose} has; take another")
    return mine, f"the name '{name}' is taken by {whose}, so this {kind} is called '{mine}'"


def _template(name: str) -> str:
    return (files("harness.testing") / "templates" / name).read_text(encoding="utf-8")


def _template_test(kind: str) -> str:
    return _template(f"test_{kind}.py")


def _loose(names: _Names) -> dict[str, str]:
    """Return the texts of the plugin and of its test, by file."""
    return {
        f"{names.module}.py": _named(_template(f"{names.kind}.py"), names, names.module),
        f"test_{names.module}.py": _named(_template_test(names.kind), names, names.module),
    }


def _distribution(names: _Names) -> dict[str, str]:
    """Return the texts of a whole distribution, by file."""
    package = f"harness_{names.module}"
    module = f"{package}.{names.module}"
    use = {"KIND": _a(names.kind), "VERSION": __version__, "CHECK": _check(names), "USE": _run(names)}

    def about(template: str) -> str:
        text = _template(template)
        text = re.sub(r"\b(KIND|VERSION|CHECK|USE)\b", lambda found: use[found[0]], text)
        text = text.replace("harness_newcomer", package).replace("newcomer.py", f"{names.module}.py")
        return text.replace("newcomer", names.asked)

    return {
        "pyproject.toml": about("pyproject.toml.txt"),
        "README.md": about("README.md.txt"),
        f"{package}/__init__.py": f'"""{names.offer}, {_a(names.kind)} for harness."""\n',
        f"{package}/{names.module}.py": _named(_template(f"{names.kind}.py"), names, module),
        f"{package}/py.typed": "",
        f"tests/test_{names.module}.py": _named(_template_test(names.kind), names, module),
    }


def _named(template: str, names: _Names, module: str) -> str:
    """Return a template under its own names, with neighbouring imports in order again."""
    text = template.replace(f"harness.testing.templates.{names.kind}", module)
    text = text.replace("Newcomer", names.type).replace("newcomer", names.offer)
    return re.sub(r"(?:^from .+\n){2,}", lambda found: "".join(sorted(found[0].splitlines(True))), text, flags=re.M)


def _commands(names: _Names, root: Path, package: bool) -> tuple[str, ...]:
    """Return what to type next, from the folder where ``harness new`` was typed."""
    if package:
        install = shlex.join(["python", "-m", "pip", "install", "-e", str(root)])
        return install, _check(names), _run(names), shlex.join(["pytest", str(root)])
    file, test = str(root / f"{names.module}.py"), str(root / f"test_{names.module}.py")
    return _check(names, file), _run(names, "--plugin", file), shlex.join(["pytest", test])


def _check(names: _Names, file: str = "") -> str:
    """Return the command that checks the plugin; of a catalogue, one of the plugins it finds."""
    if names.kind == "catalogue":
        return shlex.join(["harness", "check", f"{names.offer}:w16", *(("--plugin", file) if file else ())])
    return shlex.join(["harness", "check", file or names.offer])


def _run(names: _Names, *options: str) -> str:
    """Return the command that runs a benchmark with the plugin in it."""
    benchmark = FLAGSHIP if FLAGSHIP.is_file() else Path("FILE.toml")
    settings = [part for said in _SETTINGS[names.kind] for part in ("--set", said.replace("newcomer", names.offer))]
    return shlex.join(["harness", "run", str(benchmark), *options, *settings])


def _a(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"
