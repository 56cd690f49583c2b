"""Reading the benchmark file: with a workload, a profile and ``--set`` laid over it, and checked as far as it alone says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from harness.benchmark.absent import without_absent
from harness.benchmark.checks.file import check_file
from harness.benchmark.sections import Benchmark, as_plain, identity
from harness.benchmark.toml import Source, read, read_overrides, refusal
from harness.benchmark.validation import check_values, validate
from harness.benchmark.workloads import Workload, names_of
from harness.errors import BenchmarkError, HarnessError, shown
from harness.plugin.runs import digest


def load(
    file: Path, profile: str | None = None, overrides: tuple[str, ...] | list[str] = (), workload: str | None = None,
    preset: str | None = None,
) -> tuple[Benchmark, Source]:  # fmt: skip
    """Return the checked benchmark and where each of its values was written; raises BenchmarkError.

    The file must be right as it stands and with each of its profiles, whichever is chosen. If it has workloads, one
    must be chosen.
    """
    source = read(file, profile, overrides, workload, preset)
    if source.workloads and workload is None:
        names = ", ".join(names_of(source.workloads))
        raise refusal(f"{file}: --workload", "name a workload of the file", "none", f"it has {names}")
    with in_workload(workload):
        benchmark, source = _check_source(source)
        for name in (None, *source.profiles):
            if name != profile or overrides or preset is not None:
                with in_profile(name):
                    _check_source(read(file, name, workload=workload))
    return benchmark, source


def without_file(name: str, overrides: tuple[str, ...] = ()) -> Benchmark:
    """Return the checked benchmark of no file: the defaults, and the ``key=value`` overrides; raises BenchmarkError."""
    return _check_source(read_overrides(name, overrides))[0]


@dataclass(frozen=True)
class WorkloadFile:
    """A file with workloads: the name of the whole, and each workload as a benchmark of its own."""

    name: str
    workloads: tuple[Workload, ...]
    benchmarks: tuple[Benchmark, ...]
    sources: tuple[Source, ...]

    @property
    def folder_name(self) -> str:
        """``NAME-HASH8``, the same for files whose workloads can use each other's finished runs."""
        return f"{self.name}-{digest([identity(benchmark) for benchmark in self.benchmarks])[:8]}"


def load_workloads(
    file: Path, profile: str | None = None, overrides: tuple[str, ...] = (), preset: str | None = None
) -> WorkloadFile | None:
    """Return all workloads of a file, checked; None for a file without any. Raises BenchmarkError."""
    source = read(file, profile, overrides, preset=preset)
    if not source.workloads:
        return None
    named = validate(Benchmark, {key: source.values[key] for key in ("name",) if key in source.values}, source)
    loaded = [load(file, profile, overrides, workload.name, preset) for workload in source.workloads]
    benchmarks, sources = zip(*loaded, strict=True)
    return WorkloadFile(named.name, tuple(source.workloads), benchmarks, sources)


def other_profiles(
    file: Path, profile: str | None, workload: str | None = None
) -> Iterator[tuple[str | None, Benchmark, Source]]:
    """Yield the name of each profile that is not chosen, None for the file without one, and the benchmark with it."""
    for name in (None, *read(file).profiles):
        if name != profile:
            yield name, *_check_source(read(file, name, workload=workload))


@contextmanager
def in_profile(name: str | None) -> Iterator[None]:
    """Name the profile in an error, for a line of the file may be wrong in one profile and right in another."""
    with _named("profile", name):
        yield


def in_workload(name: str | None) -> AbstractContextManager[None]:
    """Name the workload in an error, for a line of the file may be wrong for one workload and right for another."""
    return _named("workload", name)


@contextmanager
def _named(kind: str, name: str | None) -> Iterator[None]:
    try:
        yield
    except HarnessError as error:
        if name is None:
            raise
        raise BenchmarkError(f"{error} (in the {kind} {shown(name)})") from error


def _check_source(source: Source) -> tuple[Benchmark, Source]:
    """Return the benchmark of a source, and the source without the settings of what takes no part."""
    check_values(source.values, source)
    source = without_absent(source, as_plain(Benchmark(name="defaults")))
    benchmark = validate(Benchmark, source.values, source)
    check_file(benchmark, source)
    return benchmark, source
