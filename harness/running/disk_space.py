"""How much room a run folder takes on the disk, from the plan alone: before anything is trained.

The weights and predictions of the comparison are counted to the byte. The rest, which matters where networks are small,
goes by what was measured on run folders of 14 to 39 runs (docs/performance.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from harness.benchmark.comparison import ComparisonRun
from harness.benchmark.plan import Setting
from harness.errors import DiskError, HarnessError, disk
from harness.results.reports import PAGE
from harness.running.after.probe_costs import planned_cells
from harness.running.after.probe_work import work_of
from harness.running.search.budget import expected
from harness.training.snapshots import cycle_epochs

BLOCK = 4096  # bytes; a file takes a whole number of them
DATABASE = 150_000  # bytes of run.db without rows, Optuna's tables and the meta table included
RUN, TRIAL, EPOCH, EXAMPLE, PATHS = 2_400, 1_000, 300, 60, 90_000  # bytes of run.db a run, a trial, ..., an arm
JOURNAL = 4_200_000  # bytes, at the most, that SQLite writes beside it while a run is under way
JOURNAL_START, JOURNAL_RUN, JOURNAL_EPOCH = 250_000, 40_000, 12_000  # bytes of these
PROBED, MEASURED = 30_000, 3_000  # bytes a measurement of a probe, and of a costly one
TABLES, TABLES_EPOCH = 430_000, 200  # bytes of tables/, and an epoch in it
PAGE_START, PAGE_ARM, PAGE_EPOCH = 2_100_000, 180_000, 8  # bytes of report.html
TEXT = 50_000  # bytes of a report in any other format
THUMBNAILS, PAGE_THUMBNAILS = 280_000, 270_000  # bytes in their folder, and in the page
STATE = 3  # copies of the weights in a saved state: most optimizers keep two numbers a weight, or one


@dataclass(frozen=True)
class Room:
    """Bytes: what a run folder takes in the end, and what it takes besides while the run is under way."""

    kept: int
    passing: int

    def left(self, folder: Path) -> int:
        """Return the bytes that are still to be written, where the run has begun already."""
        return max(0, self.kept - taken(folder)) + self.passing


def room_of(
    setting: Setting, cells: Sequence[ComparisonRun], weights: Mapping[str, int], trials: int, epochs: float
) -> Room:
    """Return the room for these cells, and for so many trials and epochs in all; ``weights`` are bytes, by arm."""
    benchmark, data = setting.plan.benchmark, setting.data
    outputs = setting.plan.task.outputs(data)
    runs = {cell.run.id: cell for cell in cells if cell.of in weights}
    files = 0
    for cell in runs.values():
        copies = _copies(setting, cell)
        predictions = 4 * outputs * (copies * len(data.test) + len(data.tune))
        files += copies * _blocks(weights[cell.of]) + _blocks(predictions)
        if cell.role == "fresh":
            files += 4 * len(data.test)  # a score an example
    if benchmark.compare.folds:  # the folds' own predictions, and the whole
        files += benchmark.compare.folds * BLOCK + 3 * 4 * outputs * len(data.train)
    for probe in setting.plan.probes:
        files += (MEASURED if probe.costly else PROBED) * len(work_of(probe, setting, cells).wanted)
    rows = RUN * (len(runs) + trials * benchmark.search.seeds) + TRIAL * trials + int(EPOCH * epochs)
    arms = len(setting.plan.competitors)
    rows += PATHS * arms if benchmark.report.paths else 0
    rows += EXAMPLE * (len(data.train) + len(data.tune) + len(data.test)) if data.are_photos else 0
    pages = TABLES + int(TABLES_EPOCH * epochs)
    for name in benchmark.report.formats:
        pages += PAGE_START + PAGE_ARM * arms + int(PAGE_EPOCH * epochs) if name == PAGE else TEXT
    if data.are_photos:
        pages += THUMBNAILS + PAGE_THUMBNAILS * (PAGE in benchmark.report.formats)
    largest = max(weights.values(), default=0)
    journal = JOURNAL_START + JOURNAL_RUN * (len(runs) + 2 * trials) + int(JOURNAL_EPOCH * epochs)
    # The pages are written when SQLite's journal and the states are gone. A state is written beside the one before it.
    return Room(DATABASE + rows + files + pages, max(0, min(JOURNAL, journal) + 2 * STATE * largest - pages))


def room_for(setting: Setting, replicates: int) -> Room:
    """Return the room for so many replicates, without a step of training; plugins that fail take none."""
    planned, weights = planned_cells(setting, replicates), _weights(setting)
    trials, epochs = 0, 0.0
    for competitor in setting.plan.competitors:
        of_arm = [entry for entry in planned if entry.of == competitor.name]
        searches = 1 + any(entry.role == "aa" for entry in of_arm)
        search_trials, search_epochs = expected(competitor, searches * replicates)
        trials += search_trials
        epochs += search_epochs + sum(entry.run.epochs for entry in of_arm)
    return room_of(setting, planned, weights, trials, epochs)


def warning(room: Room, folder: Path) -> str:
    """Return in a line that there is less room on the disk than a run needs; "" where there is enough."""
    needed, free = room.left(folder), disk.free(folder)
    if free is None or free >= needed:
        return ""
    return (
        f"{folder}: the run needs about {disk.size(needed)} more there, and {disk.size(free)} are free; "
        "make room, or name another folder with --out"
    )


@contextmanager
def naming_need(setting: Setting, folder: Path) -> Iterator[None]:
    """Add to the error of a full disk how much more room the run needs, to its first look at the least."""
    try:
        yield
    except DiskError as error:
        if not error.full:
            raise
        needed = disk.size(room_for(setting, setting.plan.benchmark.compare.looks[0]).left(folder))
        raise DiskError(f"{error} (the run needs about {needed} more)") from error


def taken(folder: Path) -> int:
    """Return the bytes that the files of a folder take on the disk; 0 where there is none."""
    total = 0
    for file in folder.rglob("*"):
        with suppress(OSError):  # it may be gone by now
            stat = file.stat()
            total += stat.st_blocks * 512 if hasattr(stat, "st_blocks") else stat.st_size
    return total


def _weights(setting: Setting) -> dict[str, int]:
    """Return the bytes of every arm's network, built once for arms that share it; an arm whose network fails has none."""
    sizes: dict[str, int] = {}  # by network
    sizes_by_arm = {}
    for competitor in setting.plan.competitors:
        arm = competitor.arm
        if arm.network not in sizes:
            data = setting.data_of(arm)
            start = () if arm.head or competitor.weights is None else (competitor.weights,)
            with suppress(Exception):  # a plugin may raise anything; its first run will say so
                network = competitor.network.build(
                    data.train.input_shape, setting.plan.task.outputs(setting.data), *start
                )
                sizes[arm.network] = sum(t.numel() * t.element_size() for t in network.state_dict().values())
        if arm.network in sizes:
            sizes_by_arm[arm.name] = sizes[arm.network]
    return sizes_by_arm


def _copies(setting: Setting, cell: ComparisonRun) -> int:
    """Return how many times a run keeps its weights: once, and at the end of each cycle where it keeps snapshots."""
    run, rows = cell.run, len(setting.data_of(cell.run.arm).train)
    with suppress(HarnessError):
        scheduler = setting.plan.competitor(run.arm.name).scheduler
        return max(1, len(cycle_epochs(run, scheduler, rows // min(run.batch_size, rows))))
    return 1


def _blocks(size: int) -> int:
    """Return the bytes that a file of safetensors takes, with a header of about 1 kB."""
    return -(-(size + 1000) // BLOCK) * BLOCK
