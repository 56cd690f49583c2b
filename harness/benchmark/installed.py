"""The benchmark files that come with the harness: ``harness run dogscats`` works in every folder, without a clone.

The repository has one copy of them, in ``benchmarks/``. The wheel carries the same files inside this package.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from harness.errors import did_you_mean, nearest

PACKAGED = Path(__file__).parent / "files"  # in a wheel
IN_REPOSITORY = Path(__file__).parents[2] / "benchmarks"  # in a clone that is installed in place


def installed_benchmarks() -> dict[str, Path]:
    """Return the benchmark files that came with the harness, by name.

    >>> sorted(installed_benchmarks())
    ['diabetes', 'dogscats', 'suite', 'tiny']
    """
    folder = PACKAGED if PACKAGED.is_dir() else IN_REPOSITORY
    return {file.stem: file for file in sorted(folder.glob("*.toml"))}


def find_benchmark(file: Path) -> Path:
    """Return the file that a person means: the path itself, or an installed file where it is only a name and no file is there.

    A path that has a folder or an ending in it is never looked up, so ``./dogscats`` and ``dogscats.toml`` are files.
    """
    if str(file) != file.stem or file.is_file():
        return file
    return installed_benchmarks().get(str(file), file)


def hint_for(file: Path) -> str:
    """Return what to do about a path to no file: the file that may be meant, there or installed, ``--data`` for a folder, or a look.

    >>> hint_for(Path("dogcats.toml")), hint_for(Path("mine.toml"))
    ("did you mean 'dogscats'?", 'check the path')
    """
    if file.is_dir():
        if inside := sorted(file.glob("*.toml")):
            return f"name a file in it, such as {inside[0]}"
        return f"a folder of photos is named with --data: harness run dogscats --data {shlex.quote(str(file))}"
    files_near = {path.name: path for path in file.parent.glob("*.toml")} if file.parent.is_dir() else {}
    if file.suffix and (name := nearest(file.name, files_near)):
        return f"did you mean '{files_near[name]}'?"
    installed = installed_benchmarks()
    if nearest(file.stem, installed) or not file.suffix:
        return did_you_mean(file.stem, installed).removeprefix("; ")
    return "check the path"


def first_sentence(file: Path) -> str:
    """Return what a benchmark file says of itself: the first sentence of the comment that it begins with."""
    comment = file.read_text(encoding="utf-8").split("\n\n", 1)[0].splitlines()
    text = " ".join(line.removeprefix("#").strip() for line in comment if line.startswith("#"))
    return text.split(". ", 1)[0].split("  ", 1)[0].strip()
