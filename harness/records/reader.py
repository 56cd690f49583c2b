"""Reading a run folder as pandas tables, without torch."""

from __future__ import annotations

import copy
import json
import math
import re
import sqlite3
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from harness.console.safe_text import command_with
from harness.errors import RunFolderError, disk, one_line
from harness.plugin.meta import KEYS, Deciding, Meta
from harness.records import database, promised, schema
from harness.records.checked import load_arrays
from harness.records.imported import with_imported
from harness.records.pictures import made_again

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame

T = TypeVar("T")


@dataclass(frozen=True)
class Records:
    """Everything a run folder tells, as tables; analyses and reports are made from this alone.

    ``arms``    arm, backbone, optimizer, scheduler, tuned_trial, tuned_value, tuned_params (a dict)
    ``trials``  arm, number, state, value, reason, run_id, seconds, trained (epochs, of all its seeds), params (a dict),
                epochs (that one seed is to train)
    ``runs``    run_id, arm, phase, seed, precision, state, reason, seconds, started, ended, environment, and a column a
                metric; of the comparison, only the runs of the arms' tuned parameters
    ``epochs``  run_id, arm, phase, seed, epoch, steps, lr, seconds, and a column a metric
    ``range_tests``  arm, step, lr, loss, smoothed: the curve of every arm whose search was centred by a range test
    ``paths``   arm, landscape, step, gradients, x, y, value, lr, problem: each arm's optimizer over two parameters
    ``examples``  split, row, name, target, excluded: every photo, where the data are photos of classes
    ``comparison``  every run of the comparison, controls too: the columns of ``runs``, and role, of, replicate,
                init_seed, order_seed. The role is "fresh" (those that ``runs`` has), "replicate" (of another search of
                the arm), "twin" (the same initial weights, another order), "restart" (20 % more steps), "untuned" (the
                optimizer's own defaults), "aa" (an arm under an alias) or "different" (trained with label noise);
                ``of`` is the arm that a control belongs to
    ``measured``  probe, one, other, third, name, value: what late probes measured; one, other and third are run_ids,
                "" where there are fewer
    ``repeated``  the trials of searches that are no arm's first: the columns of ``trials`` but epochs, and search, the
                arm it belongs to, and replicate; of an A/A arm the replicate is 0
    """

    folder: Path
    meta: Meta  # benchmark, data, environment, command, plugins, metrics, ...
    arms: DataFrame
    trials: DataFrame
    runs: DataFrame
    epochs: DataFrame
    range_tests: DataFrame = field(default_factory=lambda: _no_range_tests())
    paths: DataFrame = field(default_factory=lambda: _no_paths())
    examples: DataFrame = field(default_factory=lambda: _no_examples())
    comparison: DataFrame = field(default_factory=lambda: _no_comparison())
    measured: DataFrame = field(default_factory=lambda: _no_measured())
    repeated: DataFrame = field(default_factory=lambda: _no_repeated())

    @cached_property
    def cache(self) -> dict[Hashable, Any]:
        """What several analyses computed from these records, by key; see ``once``. Copies by ``own()`` share it."""
        return {}

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return ``make()``, called once for these records and this key; nobody may write to what is returned."""
        if key not in self.cache:
            self.cache[key] = make()
        made: T = self.cache[key]
        return made

    def own(self) -> Records:
        """Return a copy for one plugin, which may write to it: nobody else sees that. What it does not look at is not copied.

        It has the same ``cache``, so that analyses share their work.
        """
        return _own(self)

    @property
    def name(self) -> str:
        """The benchmark's name."""
        return str(self.meta.benchmark["name"])

    @property
    def deciding(self) -> Deciding:
        """The metric by which trials are chosen and arms are ranked."""
        return self.meta.deciding

    @property
    def changes(self) -> list[str]:
        """A line for each setting of the process that a plugin changed while it ran; they were put back after it."""
        return schema.changes_of(self.meta.changed_settings)

    def search_over(self, arm: str) -> bool:
        """Return whether an arm's (first) search has spent its budget and none of its trials is under way."""
        search, trials = self.meta.benchmark["search"], self.trials[self.trials["arm"] == arm]
        asked = len(trials) >= self.trials_wanted(arm) if search["unit"] == "trials" else arm in self.meta.counted
        return asked and not (trials["state"] == "waiting").any()

    def trials_wanted(self, arm: str) -> int:
        """Return how many trials an arm is to have; those it has where the budget is not in trials, or was too large."""
        asked = int((self.trials["arm"] == arm).sum())
        return asked if self.exhausted(arm) is not None else self._trials_allowed(arm) or asked

    def exhausted(self, arm: str) -> int | None:
        """Return how many combinations an arm's space has, where that ended its search before the budget; else None."""
        combinations: int | None = self.meta.exhausted.get(arm)
        spent = (self.trials["arm"] == arm).sum() == self._trials_allowed(arm)
        return None if spent else combinations

    def _trials_allowed(self, arm: str) -> int:
        """Return how many trials the budget gives an arm, with what it was extended by; 0 for a budget in another unit."""
        search = self.meta.benchmark["search"]
        if search["unit"] != "trials":
            return 0
        return int(search["trials"] + sum(e["extra"] for e in self.meta.extensions if e["arm"] == arm))

    def compared(self) -> DataFrame:
        """Return the comparison runs, ordered by arm and seed."""
        return self.runs[self.runs["phase"] == "compare"].reset_index(drop=True)

    def bounds_of(self, column: str) -> tuple[float, float]:
        """Return the least and the largest value of a column: (0, 1) of a metric in "%", no end above of seconds, else none."""
        if column == "seconds":
            return 0.0, math.inf
        _, metric = _split_and_metric(column)
        unit = self.meta.metrics.get(metric, {}).get("unit", "")
        return (0.0, 1.0) if unit == "%" else (-math.inf, math.inf)

    def examples_of(self, column: str) -> int:
        """Return of how many examples a column, like ``test_accuracy``, is a proportion; 0 where it is none.

        A proportion is a metric in "%" that is a mean over examples (``Metric.each``), on a split that the networks were
        not trained on: balanced accuracy, a loss and anything on train are none.
        """
        split, metric = _split_and_metric(column)
        about = self.meta.metrics.get(metric, {})
        if split not in ("test", "tune") or about.get("unit") != "%" or not about.get("each", False):
            return 0
        return int(self.meta.data["counts"][split])

    def predictions(self, run_id: str, split: str = "test") -> NDArray[np.float32]:
        """Return a comparison run's predictions ``[N, ...]`` of test or tune; raises RunFolderError where they are missing."""
        file, name = schema.prediction(self.folder, run_id), "tune" if split == "tune" else "predictions"
        found = load_arrays(file)
        if name not in found:  # of an earlier version
            raise RunFolderError(f"{file}: must have predictions of the split '{split}', got none")
        return found[name]

    def again(self, key: str, value: Any) -> str:
        """Return the command that goes on with the run under one changed setting, as it is typed in a shell."""
        return command_with(self.meta.command, key, value)

    def probed(self, run_id: str, probe: str) -> dict[str, NDArray[Any]]:
        """Return the arrays by name that a probe kept of a comparison run; none where it kept none."""
        file = schema.probed(self.folder, run_id)
        found = load_arrays(file) if file.is_file() else {}
        return {name.removeprefix(f"{probe}."): each for name, each in found.items() if name.startswith(f"{probe}.")}

    def probed_together(self, probe: str, *run_ids: str) -> dict[str, NDArray[Any]]:
        """Return the arrays by name that a late probe kept of these networks; none where it kept none."""
        version = self.meta.probes.get(probe, {}).get("version", "")
        file = schema.probed_together(self.folder, probe, version, *run_ids)
        return load_arrays(file) if file.is_file() else {}

    @cached_property
    def targets(self) -> NDArray[Any]:
        """The test targets ``[N, ...]``."""
        return load_arrays(schema.targets(self.folder))["targets"]

    @property
    def out_of_fold(self) -> NDArray[np.float32] | None:
        """Predictions ``[N, ...]`` of the train split, each by a model trained without it; None without ``compare.folds``."""
        file = schema.out_of_fold(self.folder)
        return load_arrays(file)["predictions"] if self.meta.folds is not None and file.is_file() else None

    def thumbnail(self, split: str, row: int) -> bytes | None:
        """Return a small copy of a photo as JPEG, made anew from its pixels; None where there is none."""
        file = schema.thumbnail(self.folder, split, row)
        with disk.reading(file):
            content = file.read_bytes() if file.is_file() else b""
        return made_again(content)

    @cached_property
    def lacking(self) -> tuple[promised.Lack, ...]:
        """The files that the records promise and the run folder lacks, because they are gone or damaged; all are read."""
        return self.find_lacking()

    def find_lacking(self, whole: bool = True, run_ids: Collection[str] | None = None) -> tuple[promised.Lack, ...]:
        """Return those of all runs or of some; not ``whole``, damage is seen only where it has changed a file's size."""
        with database.reading(self.folder) as db:
            return tuple(promised.lacking(self.folder, db, whole, run_ids))

    def check_files(self, run_ids: Collection[str], *places: str) -> None:
        """Raise RunFolderError where files of these runs, in one of these folders, are gone or damaged."""
        if needed := [lack for lack in self.find_lacking(run_ids=run_ids) if lack.file.startswith(places)]:
            raise RunFolderError(f"{self.folder}: must have its files whole: {promised.summary(needed)}")

    @cached_property
    def recipes(self) -> Mapping[str, Mapping[str, Any]]:
        """Everything that decided a comparison run's outcome, as plain values, by run (``harness.Run``)."""
        with database.reading(self.folder) as db:
            found = db.execute("SELECT run_id, recipe FROM runs WHERE phase = 'compare'").fetchall()
        return {run_id: json.loads(recipe) for run_id, recipe in found}

    @cached_property
    def scores(self) -> Mapping[str, NDArray[Any]]:
        """The deciding test metric of every example, ``[N]`` in the order of the test split, by comparison run.

        Their mean is the metric. Empty where the metric is no mean over examples, or the comparison is not over.
        """
        file = schema.scores(self.folder)
        return load_arrays(file) if file.is_file() else {}


class _Own:
    """What makes records copy their tables when they are first looked at; see ``Records.own``."""

    def __getattr__(self, name: str) -> Any:
        held = self.__dict__.get("_held")  # a function: what it holds is out of reach
        if held is None or (value := held(name)) is None:
            raise AttributeError(f"records have no '{name}'")
        object.__setattr__(self, name, value)
        return value


def _own(records: Records) -> Records:
    kind = type(records)
    held = {each.name: getattr(records, each.name) for each in fields(records)}
    own: Records = object.__new__(kind if issubclass(kind, _Own) else _own_class(kind))
    object.__setattr__(own, "folder", held.pop("folder"))
    object.__setattr__(own, "cache", records.cache)
    object.__setattr__(own, "_held", lambda name: copied(held[name]) if name in held else None)
    for name in held:
        if hasattr(kind, name):  # a field with a default would be looked up in the class
            object.__setattr__(own, name, copied(held[name]))
    return own


_own_classes: dict[type[Records], type[Records]] = {}


def _own_class(kind: type[Records]) -> type[Records]:
    return _own_classes.setdefault(kind, type(f"_Own{kind.__name__}", (_Own, kind), {}))


def copied(value: Any) -> Any:
    """Return a copy that shares nothing that can be changed: of plain values, or of a table with such values in its cells."""
    from pandas import DataFrame
    from pandas.api.types import is_object_dtype

    if not isinstance(value, DataFrame):
        return _plain(value)
    table = value.copy()
    for place, kind in enumerate(value.dtypes):
        if is_object_dtype(kind):  # anything at all
            table.isetitem(place, _objects([_plain(each) for each in value.iloc[:, place]]))
    return table


_CONSTANT = (str, int, float, bool, type(None))


def _plain(value: Any) -> Any:
    if type(value) in _CONSTANT:
        return value
    if type(value) is dict:
        return {key: each if type(each) in _CONSTANT else _plain(each) for key, each in value.items()}
    if type(value) is list:
        return [_plain(each) for each in value]
    if type(value) is Meta:
        return value.mapped(_plain)
    return copy.deepcopy(value)


def _objects(cells: list[Any]) -> NDArray[Any]:
    """Return cells as they are, lists too, in one column."""
    import numpy as np

    column = np.empty(len(cells), dtype=object)
    for row, cell in enumerate(cells):
        column[row] = cell
    return column


def _split_and_metric(column: str) -> tuple[str, str]:
    """Return the split and the metric of a column of ``runs`` or ``epochs``: ("test", "accuracy") of ``tta_test_accuracy``."""
    found = re.fullmatch(r"(?:(?:tta|snapshots|snapshot\d+)_)?(train|tune|test)_(.+)", column)
    return (found[1], found[2]) if found else ("", column)


_STARTING = (
    "{}: must be a run with something recorded, got one in its first moment; look again in a while, or let the same "
    "'harness run' go on"
)


def open_records(folder: Path) -> Records:
    """Return the records of a run folder; raises RunFolderError where it is none."""
    if not schema.database(folder).is_file():
        raise RunFolderError(
            f"{folder}: must be a run folder, got {'no run.db in it' if folder.is_dir() else 'nothing there'}; check the path"
        )
    try:
        return _opened(folder)
    except RunFolderError:
        raise
    except (
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        IndexError,
    ) as error:  # the tables are there, and say nonsense
        raise RunFolderError(
            f"{schema.database(folder)}: must be the records of a run, got {one_line(error)}; move the folder away"
        ) from error


def _opened(folder: Path) -> Records:
    import pandas as pd

    with database.reading(folder) as db:
        if not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            raise RunFolderError(_STARTING.format(folder))
        database.check(db, folder)
        meta = _meta(folder, db)
        arms = pd.read_sql_query("SELECT * FROM arms ORDER BY position", db)
        asks = pd.read_sql_query("SELECT * FROM asks ORDER BY arm, number", db)
        runs = pd.read_sql_query("SELECT * FROM runs ORDER BY arm, phase, seed, run_id", db)
        epochs = pd.read_sql_query("SELECT * FROM epochs ORDER BY run_id, epoch", db)
        tested = bool(meta.range_tests)  # older folders have no such table
        curves = pd.read_sql_query("SELECT * FROM range_tests ORDER BY arm, step", db) if tested else _no_range_tests()
        walked = meta.paths_of is not None  # older folders have no such table
        paths = pd.read_sql_query("SELECT * FROM paths ORDER BY rowid", db) if walked else _no_paths()
        named = meta.examples is not None  # older folders have no such table
        examples = pd.read_sql_query("SELECT * FROM examples ORDER BY split, row", db) if named else _no_examples()
        measured = _measured(db, meta) if meta.probes else _no_measured()
    comparison = _comparison(runs, meta.comparison or ())
    wanted = set(meta.compare_runs or ())  # the comparison as the benchmark stands now
    runs = _spread(runs[(runs["phase"] == "search") | runs["run_id"].isin(wanted)].drop(columns="traceback"))
    runs["precision"] = [json.loads(text)["precision"] for text in runs["recipe"]]
    about = runs[["run_id", "arm", "phase", "seed"]]
    arms = arms[arms["arm"].isin(meta.arms)].reset_index(drop=True)
    fixed = {
        arm: {name: said["fixed"] for name, said in space.items() if "fixed" in said}
        for arm, space in meta.spaces.items()
    }
    tuned = [
        {**fixed[arm], **json.loads(text)} if isinstance(text, str) else {}
        for arm, text in zip(arms["arm"], arms["tuned_params"], strict=True)
    ]
    arms["tuned_params"] = pd.Series(tuned, index=arms.index, dtype=object)
    asks = asks[asks["number"] < asks["arm"].map(meta.counted).fillna(math.inf)]
    asks = asks.drop(columns=["trial_attrs", "study_attrs"])
    repeated = _repeated(asks, meta)
    asks = asks[asks["arm"].isin(meta.arms)].reset_index(drop=True)
    params = [{**fixed[arm], **json.loads(text)} for arm, text in zip(asks["arm"], asks["params"], strict=True)]
    asks["params"] = pd.Series(params, index=asks.index, dtype=object)
    asks["epochs"] = [params["epochs"] for params in asks["params"]]
    return Records(
        folder,
        meta,
        arms,
        asks,
        runs.drop(columns=["recipe", "stop_after"]),
        about.merge(_spread(epochs), on="run_id"),
        curves[curves["arm"].isin(meta.arms)].reset_index(drop=True),
        paths[paths["arm"].isin(meta.arms)].astype({"lr": float}).reset_index(drop=True),
        examples.astype({"excluded": bool}),
        comparison,
        measured,
        repeated,
    )


def _meta(folder: Path, db: sqlite3.Connection) -> Meta:
    """Return what the run is about; raises RunFolderError where it has not begun, and TypeError for damaged notes."""
    notes = {key: json.loads(value) for key, value in db.execute("SELECT key, value FROM meta")}
    if {"benchmark", "data", "metrics", "metric", "arms", "spaces", "environment", "command"} - set(notes):
        raise RunFolderError(_STARTING.format(folder))
    if unknown := sorted(set(notes) - KEYS):
        raise TypeError(f"the key '{unknown[0]:.80}' in the table 'meta'")
    for each in fields(Meta):
        if each.name in notes and not isinstance(notes[each.name], _kinds(str(each.type))):
            raise TypeError(f"{notes[each.name]!r:.80} as '{each.name}' in the table 'meta'")
    return Meta(**with_imported(notes))


def _kinds(annotation: str) -> tuple[type, ...]:
    """Return what JSON gives for a value of ``Meta`` with that annotation."""
    kinds: dict[str, type] = {"Mapping": dict, "Sequence": list, "str": str, "int": int}
    empty = (type(None),) if annotation.endswith("| None") else ()
    return kinds[re.split(r"\W", annotation)[0]], *empty


def _repeated(asks: DataFrame, meta: Meta) -> DataFrame:
    """Return the trials of the searches that are no arm's first: replicates, and the A/A arm's."""
    import pandas as pd

    of = {f"{arm} #{n}": (arm, n - 1) for arm in meta.arms for n in range(2, 102)}
    of |= {arm: (about["of"], 0) for arm, about in meta.roles.items()}
    found = asks[asks["arm"].isin(of)].rename(columns={"arm": "search"}).reset_index(drop=True)
    found["arm"] = [of[name][0] for name in found["search"]]
    found["replicate"] = [of[name][1] for name in found["search"]]
    found["params"] = pd.Series([json.loads(text) for text in found["params"]], index=found.index, dtype=object)
    return found


def _comparison(runs: DataFrame, cells: Sequence[Mapping[str, Any]]) -> DataFrame:
    """Return the runs of the comparison, in the order of the cells that say what each is for."""
    import pandas as pd

    if not cells:
        return _no_comparison()
    about = runs.drop(columns=["traceback", "recipe", "stop_after", "arm"])  # an arm's own name stands in its cell
    return _spread(pd.DataFrame(cells).merge(about, on="run_id", how="inner"))


def _measured(db: sqlite3.Connection, meta: Meta) -> DataFrame:
    """Return what late probes measured, as they stand now: not what an earlier version of one did."""
    import pandas as pd

    found = pd.read_sql_query("SELECT * FROM measured ORDER BY probe, one, other, third, name", db)
    over = {name: about for name, about in meta.probes.items() if about.get("over", True)}  # half a group is no design
    versions = {name: about["version"] for name, about in over.items()}
    found = found[found["name"] != ""]  # it had nothing to say
    found = found[found["version"] == found["probe"].map(versions)].drop(columns="version")
    return found.astype({"value": float}).reset_index(drop=True)


def _no_range_tests() -> DataFrame:
    import pandas as pd

    kinds = {"arm": str, "step": int, "lr": float, "loss": float, "smoothed": float}
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})


def _no_paths() -> DataFrame:
    import pandas as pd

    words, counts, numbers = ("arm", "landscape", "problem"), ("step", "gradients"), ("x", "y", "value", "lr")
    kinds = {**dict.fromkeys(words, str), **dict.fromkeys(counts, int), **dict.fromkeys(numbers, float)}
    order = ("arm", "landscape", "step", "gradients", "x", "y", "value", "lr", "problem")
    return pd.DataFrame({name: pd.Series(dtype=kinds[name]) for name in order})


def _no_examples() -> DataFrame:
    import pandas as pd

    kinds = {"split": str, "row": int, "name": str, "target": int, "excluded": bool}
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})


def _no_comparison() -> DataFrame:
    import pandas as pd

    words = ("run_id", "arm", "role", "of", "phase", "state", "reason", "started", "ended", "environment")
    counts = ("replicate", "init_seed", "order_seed", "seed")
    kinds = {**dict.fromkeys(words, str), **dict.fromkeys(counts, int), "seconds": float}
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})


def _no_repeated() -> DataFrame:
    import pandas as pd

    words, counts = ("search", "arm", "state", "reason", "run_id"), ("replicate", "number", "trained")
    kinds = {
        **dict.fromkeys(words, str),
        **dict.fromkeys(counts, int),
        "value": float,
        "seconds": float,
        "params": object,
    }
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})


def _no_measured() -> DataFrame:
    import pandas as pd

    kinds = {**dict.fromkeys(("probe", "one", "other", "third", "name"), str), "value": float}
    return pd.DataFrame({name: pd.Series(dtype=kind) for name, kind in kinds.items()})


def _spread(table: DataFrame) -> DataFrame:
    """Return the table with its JSON column ``metrics`` spread over a column a metric."""
    import pandas as pd

    metrics = pd.DataFrame([json.loads(text) for text in table["metrics"]], index=table.index, dtype=float)
    return pd.concat([table.drop(columns="metrics"), metrics], axis=1).reset_index(drop=True)
