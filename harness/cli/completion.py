"""Tab completion: what a shell may offer for each argument. ``harness --install-completion`` switches it on.

The shell asks for completions by calling ``harness`` with a variable set. The functions here take what has been typed of a
word so far and return what it may become. They print nothing and raise nothing: a shell that waits for a word needs no error.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

if TYPE_CHECKING:
    from harness.benchmark.toml import Source

VARIABLE = "_HARNESS_COMPLETE"  # a shell sets it to ask for completions, or for the script that makes it ask
OPTIONS = ("--install-completion", "--show-completion")
P = ParamSpec("P")


def asked(arguments: Sequence[str]) -> bool:
    """Return whether a shell, or a person who sets one up, asks for completions instead of a command."""
    return VARIABLE in os.environ or (bool(arguments) and arguments[0] in OPTIONS)


def _quiet(complete: Callable[P, Iterable[str]]) -> Callable[P, list[str]]:
    @wraps(complete)
    def completed(*args: P.args, **kwargs: P.kwargs) -> list[str]:
        with suppress(Exception):
            return sorted(complete(*args, **kwargs))
        return []

    return completed


@_quiet
def benchmarks(incomplete: str) -> Iterable[str]:
    """Return the installed benchmark files, and the TOML files that begin with what was typed."""
    from harness.benchmark.installed import installed_benchmarks

    return [*_beginning(installed_benchmarks(), incomplete), *_files(incomplete, ".toml")]


@_quiet
def run_folders(incomplete: str) -> Iterable[str]:
    """Return the run folders that begin with what was typed; those in ``runs`` where nothing was typed."""
    from harness.records.schema import is_run_folder
    from harness.records.workloads import has_workloads

    typed = incomplete or ("runs/" if Path("runs").is_dir() else "")
    return [path for path in _paths(typed) if is_run_folder(Path(path)) or has_workloads(Path(path))]


@_quiet
def profiles(incomplete: str) -> Iterable[str]:
    """Return the profiles of the benchmark file that was typed before."""
    return _beginning(_typed_benchmark().profiles, incomplete)


@_quiet
def workloads(incomplete: str) -> Iterable[str]:
    """Return the workloads of the benchmark file that was typed before."""
    return _beginning([workload.name for workload in _typed_benchmark().workloads], incomplete)


def _typed_benchmark() -> Source:
    from harness.benchmark.installed import find_benchmark
    from harness.benchmark.toml import read

    files = (find_benchmark(Path(word)) for word in _typed_words())
    return read(next(file for file in files if file.is_file()))


def _typed_words() -> list[str]:
    """Return the words behind ``harness``. Click has none of them where an option is typed whose value is not there yet."""
    line = os.environ.get("_TYPER_COMPLETE_ARGS") or os.environ["COMP_WORDS"]
    return shlex.split(line)[1:]


@_quiet
def kinds(incomplete: str) -> Iterable[str]:
    """Return what ``harness list`` takes: benchmark, and the kinds of plugin."""
    from harness.plugin.contracts import KINDS

    return _beginning(["benchmark", *KINDS], incomplete)


@_quiet
def cache_kinds(incomplete: str) -> Iterable[str]:
    """Return the kinds of file that the cache holds."""
    from harness.data.places import CACHED

    return _beginning(CACHED, incomplete)


@_quiet
def plugins(incomplete: str) -> Iterable[str]:
    """Return the names of the plugins of every kind, and the files of Python that begin with what was typed."""
    names = [name for offers in _registry().offers.values() for name in offers]
    return {*_beginning(names, incomplete), *_files(incomplete, ".py")}


@_quiet
def datasets(incomplete: str) -> Iterable[str]:
    """Return the names of the datasets."""
    return _beginning(_registry().offers["dataset"], incomplete)


@_quiet
def reports(incomplete: str) -> Iterable[str]:
    """Return the formats of reports; after a comma, each behind the ones that were typed."""
    typed, comma, last = incomplete.rpartition(",")
    return [f"{typed}{comma}{name}" for name in _beginning(_registry().offers["report"], last)]


@_quiet
def blockable(incomplete: str) -> Iterable[str]:
    """Return the names by which plugins are left out."""
    return _beginning([name.rpartition(".")[2] for name in _registry().origins], incomplete)


@_quiet
def arms(incomplete: str) -> Iterable[str]:
    """Return the arms of the run that was typed before."""
    from harness.records import open_records
    from harness.records.schema import is_run_folder

    folder = next(Path(word) for word in _typed_words() if is_run_folder(Path(word)))
    return _beginning(open_records(folder).meta.arms, incomplete)


def _registry() -> Any:
    from harness.plugin.discovery import discover

    return discover()


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _files(incomplete: str, suffix: str) -> list[str]:
    """Return the files of a suffix that begin with what was typed. Folders are left to the shell, which goes on into them."""
    return [path for path in _paths(incomplete) if path.endswith(suffix) and Path(path).is_file()]


def _paths(incomplete: str) -> list[str]:
    """Return what lies in the folder that was typed, and begins with the rest of it; nothing that is hidden."""
    folder, slash, begins = incomplete.rpartition("/")
    names = [path.name for path in Path(f"{folder}{slash}" or ".").iterdir()]
    return [f"{folder}{slash}{name}" for name in _beginning(names, begins) if not name.startswith(".")]
