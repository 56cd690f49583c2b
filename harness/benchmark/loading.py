"""Reading the benchmark file: with a profile and ``--set`` laid over it, and checked as far as the file alone says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.benchmark.absent import without_absent
from harness.benchmark.checks.file import check_file
from harness.benchmark.sections import Benchmark, as_plain
from harness.benchmark.toml import Source, read
from harness.benchmark.validation import check_values, validate
from harness.errors import BenchmarkError, HarnessError, shown


def load(
    file: Path, profile: str | None = None, overrides: tuple[str, ...] | list[str] = ()
) -> tuple[Benchmark, Source]:
    """Return the checked benchmark and where each of its values was written; raises BenchmarkError.

    The file must be right as it stands and with each of its profiles, whichever is chosen.
    """
    source = read(file, profile, overrides)
    benchmark, source = _check_source(source)
    for name in (None, *source.profiles):
        if name != profile or overrides:
            with in_profile(name):
                _check_source(read(file, name))
    return benchmark, source


def other_profiles(file: Path, profile: str | None) -> Iterator[tuple[str | None, Benchmark, Source]]:
    """Yield the name of each profile that is not chosen, None for the file without one, and the benchmark with it."""
    for name in (None, *read(file).profiles):
        if name != profile:
            yield name, *_check_source(read(file, name))


@contextmanager
def in_profile(name: str | None) -> Iterator[None]:
    """Name the profile in an error, for a line of the file may be wrong in one profile and right in another."""
    try:
        yield
    except HarnessError as error:
        if name is None:
            raise
        raise BenchmarkError(f"{error} (in the profile {shown(name)})") from error


def _check_source(source: Source) -> tuple[Benchmark, Source]:
    """Return the benchmark of a source, and the source without the settings of what takes no part."""
    check_values(source.values, source)
    source = without_absent(source, as_plain(Benchmark(name="defaults")))
    benchmark = validate(Benchmark, source.values, source)
    check_file(benchmark, source)
    return benchmark, source
