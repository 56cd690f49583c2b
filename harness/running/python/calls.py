"""What the commands do, for Python: ``harness.run``, ``harness.plan`` and ``harness.lr_find``. ``model_calls`` has those that use a model.

They print the lines that the commands print, and they raise the errors that the commands print as one line. They return
values that a notebook shows. None of them ends the process.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.benchmark.overrides import overrides_of
from harness.benchmark.toml import OptionValue
from harness.errors import arguments
from harness.records.workloads import has_workloads, run_folders
from harness.results.document import closing_lines
from harness.results.notebook import Loaded
from harness.running.python.answers import Estimate, RangeTests
from harness.running.python.talking import optional_path, optional_text, plugin_files, talking, texts

if TYPE_CHECKING:
    from harness.results.workloads.loaded import WorkloadRuns
    from harness.running.prepare import Request

Paths = Iterable[str | Path]


def run(
    file: str | Path,
    profile: str | None = None,
    data: str | Path | None = None,
    out: str | Path = "runs",
    plugins: Paths = (),
    block: Iterable[str] = (),
    set: Mapping[str, Any] | None = None,  # noqa: A002 - the option's name
    workload: str | None = None,
    only_search: bool = False,
    only_measure: bool = False,
    extend: bool = False,
    retry: bool = False,
    reuse: str | Path | None = None,
    no_reuse: bool = False,
    preset: str | None = None,
    time_limit: str | None = None,
    refit: bool = False,
    refit_arms: Iterable[str] = (),
    quiet: bool = False,
) -> Loaded | WorkloadRuns:
    """Tune, compare and report, as ``harness run`` does; the same call again goes on where it was left.

    Args:
        file: The benchmark file.
        profile: A ``[profiles.NAME]`` of the file, laid over it.
        data: The folder with the data, such as photos.
        out: The folder that run folders go into.
        plugins: Loose plugin files. They are run as code.
        block: Plugins to leave out, by name.
        set: Values that replace those of the file, by key: ``{"search.trials": 4}``.
        workload: One of the file's workloads; all of them where it is None.
        only_search: Whether to stop before the comparison.
        only_measure: Whether to train nothing and to measure what is missing, whatever the time limit.
        extend: Whether to widen the range or the budget of arms whose search raised an alarm.
        retry: Whether to try again what was given up because the process died in it.
        reuse: A run folder, or a folder of them, to take finished runs from too.
        no_reuse: Whether to train everything, even what another run folder has.
        preset: How much is searched and repeated, laid over the file: "quick", "good" or "best".
        time_limit: How long all of it may take, such as "1h".
        refit: Whether to train the best arm once more, on train and tune together.
        refit_arms: More arms to train once more so, by name.
        quiet: Whether to print nothing.

    Returns:
        The run, as ``harness.load`` returns it; of a file with workloads, the runs by workload: ``runs["NAME"]``. What went
        wrong in it is in its report, and was printed.

    Raises:
        HarnessError: The input is wrong, in one line. What was trained before stays in the run folder.

    >>> run("nowhere.toml")
    Traceback (most recent call last):
        ...
    harness.errors.BenchmarkError: nowhere.toml: must be a benchmark file (TOML), got nothing there; check the path
    """
    from harness.results.loading import load
    from harness.results.workloads.summary import common_lines
    from harness.running.workloads import run_file

    more = {
        "only_search": arguments.flag("only_search", only_search),
        "only_measure": arguments.flag("only_measure", only_measure),
        "extend": arguments.flag("extend", extend),
        "retry": arguments.flag("retry", retry),
        "reuse": optional_path("reuse", reuse),
        "no_reuse": arguments.flag("no_reuse", no_reuse),
        "refit": arguments.flag("refit", refit),
        "refit_arms": texts("refit_arms", refit_arms, "names of arms"),
        "preset": optional_text("preset", preset),
        "began": time.monotonic(),
    }
    request = _request(file, profile, data, out, plugins, block, _limited(set, time_limit), workload, **more)
    folders: list[Path] = []
    with talking(quiet) as reporter:
        run_file(request, reporter, _command("run", request), closing_lines, common_lines, folders.append)
    if workload is not None and has_workloads(folders[0]):
        return load(run_folders(folders[0])[workload], request.plugins)
    return load(folders[0], request.plugins)


def plan(
    file: str | Path,
    profile: str | None = None,
    data: str | Path | None = None,
    out: str | Path = "runs",
    plugins: Paths = (),
    block: Iterable[str] = (),
    set: Mapping[str, Any] | None = None,  # noqa: A002 - the option's name
    workload: str | None = None,
    reuse: str | Path | None = None,
    no_reuse: bool = False,
    preset: str | None = None,
    time_limit: str | None = None,
    quiet: bool = False,
) -> Estimate:
    """Return what a run would do, how long it would take here and how much disk, from a few timed steps.

    Args:
        file: The benchmark file.
        profile: A ``[profiles.NAME]`` of the file, laid over it.
        data: The folder with the data, such as photos.
        out: The folder that run folders would go into.
        plugins: Loose plugin files. They are run as code.
        block: Plugins to leave out, by name.
        set: Values that replace those of the file, by key: ``{"search.trials": 4}``.
        workload: One of the file's workloads; all of them where it is None.
        reuse: A run folder, or a folder of them, that finished runs would be taken from too.
        no_reuse: Whether everything would be trained, even what another run folder has.
        preset: How much is searched and repeated: "quick", "good" or "best", laid over the file.
        time_limit: How long all of it may take, such as "1h".
        quiet: Whether to print nothing on the way.

    Returns:
        The estimate. It shows itself as the lines of ``harness plan``; ``document`` has its numbers.

    Raises:
        HarnessError: The input is wrong, in one line.

    >>> plan("nowhere.toml")
    Traceback (most recent call last):
        ...
    harness.errors.BenchmarkError: nowhere.toml: must be a benchmark file (TOML), got nothing there; check the path
    """
    from harness.running.forecast.lines import estimate_lines
    from harness.running.workloads import estimate_file

    more: dict[str, Any] = {"reuse": optional_path("reuse", reuse), "no_reuse": arguments.flag("no_reuse", no_reuse)}
    more["preset"] = optional_text("preset", preset)
    request = _request(file, profile, data, out, plugins, block, _limited(set, time_limit), workload, **more)
    with talking(quiet) as reporter:
        document = estimate_file(request, reporter)
    return Estimate(document, tuple(estimate_lines(document)))


def lr_find(
    file: str | Path,
    profile: str | None = None,
    data: str | Path | None = None,
    plugins: Paths = (),
    block: Iterable[str] = (),
    set: Mapping[str, Any] | None = None,  # noqa: A002 - the option's name
    workload: str | None = None,
    arms: Iterable[str] = (),
    steps: int | None = None,
    quiet: bool = False,
) -> RangeTests:
    """Suggest a learning rate for each arm, by a range test, as ``harness lr-find`` does. Nothing is written.

    Args:
        file: The benchmark file.
        profile: A ``[profiles.NAME]`` of the file, laid over it.
        data: The folder with the data, such as photos.
        plugins: Loose plugin files. They are run as code.
        block: Plugins to leave out, by name.
        set: Values that replace those of the file, by key: ``{"train.optimizers": ["sgd"]}``.
        workload: One of the file's workloads.
        arms: Only these arms; all where none is named.
        steps: The steps of each test, 20 or more; 80 a decade where it is None.
        quiet: Whether to print nothing on the way.

    Returns:
        A range test for each arm. It shows itself as a table and, in a notebook, with the curves.

    Raises:
        HarnessError: The input is wrong, in one line.

    >>> lr_find("nowhere.toml")
    Traceback (most recent call last):
        ...
    harness.errors.BenchmarkError: nowhere.toml: must be a benchmark file (TOML), got nothing there; check the path
    """
    from harness.running.search.rates import find_rates

    request = _request(file, profile, data, "runs", plugins, block, set, workload)
    names = texts("arms", arms, "names of arms")
    steps = None if steps is None else arguments.whole("steps", steps, 20, 100_000)
    with talking(quiet, {"--arm:": "arms:"}) as reporter:
        return RangeTests(tuple(find_rates(request, reporter, names, steps)))


# --- inside


def _request(
    file: object, profile: object, data: object, out: object, plugins: object, block: object, values: object,
    workload: object, **more: Any,
) -> Request:  # fmt: skip
    """Return the request of a call; raises TypeError or ValueError in one line that names a wrong argument."""
    from harness.running.prepare import Request

    return Request(
        arguments.path("file", file),
        optional_text("profile", profile),
        optional_path("data", data),
        arguments.path("out", out),
        plugin_files(plugins),
        texts("block", block, "names of plugins"),
        values if isinstance(values, tuple) else overrides_of(values),
        workload=optional_text("workload", workload),
        **more,
    )


def _limited(values: object, time_limit: object) -> tuple[str, ...]:
    """Return values as ``--set`` has them, the time limit among them."""
    limit = {} if time_limit is None else {"budget": arguments.text("time_limit", time_limit)}
    return (*overrides_of(values), *(OptionValue.of("time_limit", text) for text in overrides_of(limit)))


def _command(name: str, request: Request) -> list[str]:
    """Return the words that one would type for a request."""
    words = ["harness", name, str(request.file)]
    options: list[tuple[str, object]] = [
        ("--profile", request.profile), ("--preset", request.preset), ("--data", request.data), ("--workload", request.workload),
        ("--reuse", request.reuse), ("--out", request.out if request.out != Path("runs") else None),
        *(("--plugin", plugin) for plugin in request.plugins), *(("--block", plugin) for plugin in request.block),
        *(("--set", override) for override in request.overrides),
        *(("--refit-arm", arm) for arm in request.refit_arms),
    ]  # fmt: skip
    for option, value in options:
        words += [option, str(value)] if value is not None else []
    flags = {
        "--only-search": request.only_search, "--only-measure": request.only_measure, "--extend": request.extend, "--retry": request.retry,
        "--no-reuse": request.no_reuse, "--refit": request.refit,
    }  # fmt: skip
    return [*words, *(flag for flag, is_on in flags.items() if is_on)]
