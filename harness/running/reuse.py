"""Runs that were trained before in another run folder of this machine, so that they need not be trained again.

The id of a run is the digest of its recipe: the sources of its plugins, its settings, seeds and data. So a run of equal
id that ended in the same environment is the same run.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.benchmark.arms import Competitor
from harness.benchmark.plan import OTHER_ORDER, Setting
from harness.benchmark.spaces import COMMON, SCHEDULE
from harness.console.numbers import counted, first_of, joined
from harness.errors import RunFolderError
from harness.plugin.runs import Arm, Run, digest
from harness.records import schema
from harness.records.earlier import EarlierRun, ended_runs, fault, read_run
from harness.records.workloads import has_workloads
from harness.training.device import environment

SHOWN = 3  # folders that a line names


@dataclass
class EarlierRuns:
    """The runs that can be taken over: by id, the folders in which they ended."""

    folders: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    recipes: Mapping[str, str] = field(default_factory=dict)  # as JSON, by id
    _sound: dict[Path, bool] = field(default_factory=dict)

    def find(self, run: Run) -> EarlierRun | None:
        """Return a run as it ended before, its files verified; None where it must be trained."""
        for folder in self.folders.get(run.id, ()):
            if folder not in self._sound:
                self._sound[folder] = not fault(folder)
            if self._sound[folder] and (earlier := read_run(folder, run.id)) is not None:
                return earlier
        return None


def earlier_runs(setting: Setting, own: Path, folders: Sequence[Path]) -> EarlierRuns:
    """Return the runs of these folders that a benchmark can take over; ``own`` is its own run folder."""
    folders_of_run: dict[str, list[Path]] = {}
    recipes: dict[str, str] = {}
    for folder in folders:
        if folder.resolve() == own.resolve():
            continue
        metrics, hardware = setting.plan.metric_by_phase, str(environment(setting.device)["hash"])
        for run_id, recipe in ended_runs(folder, setting.data.fingerprint, metrics).of(hardware).items():
            folders_of_run.setdefault(run_id, []).append(folder)
            recipes[run_id] = recipe
    return EarlierRuns(folders_of_run, recipes)


def not_taken_over(setting: Setting, own: Path, folders: Sequence[Path], replicates: int) -> list[str]:
    """Return a line for each folder and reason: how many equal runs of it must be trained again, and what differs.

    A run that ended in this benchmark's own folder, or can be taken over from another one, is not trained again.
    """
    machine = environment(setting.device)
    data, metrics = setting.data.fingerprint, setting.plan.metric_by_phase
    others = {folder: ended_runs(folder, data, metrics) for folder in folders if folder.resolve() != own.resolve()}
    reusable = set(ended_runs(own, data, metrics).runs)
    for ended in others.values():
        reusable |= set(ended.of(str(machine["hash"])))
    differences: Counter[tuple[str, str]] = Counter()
    for folder, ended in others.items():
        for text, its_own in ended.runs.values():
            with suppress(ValueError, KeyError, TypeError):  # the recipe of another program, or a damaged one
                recipe = json.loads(text)
                if not (equal := _equal_id(setting, recipe, replicates)) or equal in reusable:
                    continue
                reasons = [_differing_plugins(setting, recipe)]
                if its_own != machine["hash"]:
                    reasons.append(_differing_environment(ended.environments.get(its_own, {}), machine))
                if reason := joined(list(filter(None, reasons))):
                    differences[folder.name, reason] += 1
    return [
        f"{counted(many, 'equal run')} in {name} {'is' if many == 1 else 'are'} not taken over: {reason}"
        for (name, reason), many in differences.items()
    ]


def unusable(setting: Setting, own: Path, reuse: Path | None) -> list[str]:
    """Return a line for each reason why run folders that the user named with ``--reuse`` give no run at all."""
    data, metrics = setting.data.fingerprint, setting.plan.metric_by_phase
    names_of_reason: dict[str, list[str]] = {}
    for folder in named_folders(reuse):
        if folder.resolve() != own.resolve() and (reason := ended_runs(folder, data, metrics).reason or fault(folder)):
            names_of_reason.setdefault(reason, []).append(folder.name or str(folder))
    return [
        f"nothing can be taken over from {first_of(names, SHOWN)}: {reason}"
        for reason, names in names_of_reason.items()
    ]


def _competitor_of(setting: Setting, recipe: Mapping[str, Any]) -> Competitor | None:
    name = Arm(**recipe["arm"]).name
    return next((each for each in (*setting.plan.competitors, *setting.plan.controls) if each.name == name), None)


def _equal_id(setting: Setting, recipe: Mapping[str, Any], replicates: int) -> str:
    """Return the id of a benchmark's run of this recipe, whatever the versions of its plugins; "" where it has none."""
    competitor = _competitor_of(setting, recipe)
    if competitor is None:
        return ""
    equal = digest({**recipe, "plugins": dict(competitor.plugins)})[:16]
    return equal if equal in _possible_ids(setting, recipe, replicates) else ""


def _differing_plugins(setting: Setting, recipe: Mapping[str, Any]) -> str:
    """Return in words which plugins of a run have other sources here; "" where none has."""
    competitor = _competitor_of(setting, recipe)
    ours = dict(competitor.plugins) if competitor else {}
    kinds = sorted(kind for kind in {*ours, *recipe["plugins"]} if ours.get(kind) != recipe["plugins"].get(kind))
    if not kinds:
        return ""
    many = len(kinds) > 1
    return f"the source{'s' if many else ''} of the {joined(kinds)} differ{'' if many else 's'}"


def _differing_environment(theirs: Mapping[str, Any], ours: Mapping[str, Any]) -> str:
    """Return in words what of an environment differs from this one."""
    names = [
        name
        for part in ("versions", "hardware")
        for name, value in ours[part].items()
        if part in theirs and theirs[part].get(name) != value
    ]
    if not names:
        return "the environment differs"
    return f"the {joined(names)} differ{'s' if len(names) == 1 else ''}"


def foreseen(setting: Setting, earlier: EarlierRuns, replicates: int) -> dict[str, int]:
    """Return by run folder how many runs so many replicates can take from it, before their searches have asked.

    These are the runs whose recipes are those of its own runs, but for hyperparameters that its searches may choose.
    """
    return dict(
        Counter(earlier.folders[run_id][0].name for run_id in sorted(foreseen_recipes(setting, earlier, replicates)))
    )


def foreseen_recipes(setting: Setting, earlier: EarlierRuns, replicates: int) -> dict[str, Mapping[str, Any]]:
    """Return the recipes of the runs that so many replicates of a benchmark can take over at the most, by id."""
    follows: dict[str, str] = {}
    recipes: dict[str, Mapping[str, Any]] = {}
    possible: set[str] = set()
    for run_id, text in earlier.recipes.items():
        with suppress(ValueError, KeyError, TypeError):  # the recipe of another program, or a damaged one
            recipes[run_id] = recipe = json.loads(text)
            follows[run_id] = str(recipe["follows"])
            if run_id in _possible_ids(setting, recipe, replicates):
                possible.add(run_id)
    if setting.plan.benchmark.compare.gate:
        possible |= {run_id for run_id, before in follows.items() if before in possible}
    return {run_id: recipes[run_id] for run_id in possible}


def _possible_ids(setting: Setting, recipe: Mapping[str, Any], replicates: int) -> set[str]:
    """Return the ids of the runs of a benchmark that have the hyperparameters of a recipe, and its phase."""
    plan = setting.plan
    competitors = {competitor.name: competitor for competitor in (*plan.competitors, *plan.controls)}
    competitor = competitors.get(Arm(**recipe["arm"]).name)
    if competitor is None:
        return set()
    schedule = {f"{SCHEDULE}{name}": value for name, value in recipe["scheduler"].items()}
    params = {**recipe["optimizer"], **schedule}
    params |= {name: recipe[name] for name in COMMON}
    if recipe["phase"] == "search":
        return set(_possible_search_ids(setting, competitor, params, replicates))
    seed = int(recipe["init_seed"])
    if setting.replicate_of(seed) >= replicates:
        return set()
    runs = [setting.compare_run(competitor, params, seed, snapshots) for snapshots in (True, False)]
    runs += [replace(run, order_seed=seed + OTHER_ORDER) for run in runs]
    return {run.id for run in runs}


def _possible_search_ids(
    setting: Setting, competitor: Competitor, params: Mapping[str, Any], replicates: int
) -> Iterator[str]:
    """Yield the ids of the trials of an arm that have these hyperparameters, and of their confirmations."""
    search = setting.plan.benchmark.search
    trials = itertools.product(range(replicates), range(search.seeds))
    in_force = [name for name in competitor.space if competitor.rules.is_in_force(name, params)]
    has = {name: _has(competitor.space[name], params.get(name)) for name in in_force}
    if all(has.values()):
        yield from (setting.search_run(competitor, params, replicate, seed).id for replicate, seed in trials)
    if search.confirm and all(inside for name, inside in has.items() if name != "epochs"):
        yield from (setting.confirmation_run(competitor, params, replicate).id for replicate in range(replicates))


def _has(space: Any, value: Any) -> bool:
    """Return whether a value is one of a searched space."""
    if hasattr(space, "choices"):
        return value in space.choices
    return value is not None and bool(space.low <= value <= space.high)


def reusable_folders(out: Path, reuse: Path | None, no_reuse: bool) -> list[Path]:
    """Return the run folders to look in: those in ``out``, and those that ``--reuse`` names.

    Raises RunFolderError where that is no run folder and has none in it.
    """
    if no_reuse and reuse is not None:
        raise RunFolderError(f"--reuse: must be left out with --no-reuse, got '{reuse}'; leave one of the two out")
    if no_reuse:
        return []
    return list(dict.fromkeys([*_run_folders(out), *named_folders(reuse)]))


def named_folders(reuse: Path | None) -> list[Path]:
    """Return the run folders that ``--reuse`` names; raises RunFolderError where there is none."""
    if reuse is None:
        return []
    named = [reuse] if schema.is_run_folder(reuse) else _run_folders(reuse)
    if not named:
        raise RunFolderError(
            f"--reuse: must be a run folder, or a folder of run folders, got {_kind(reuse)}: '{reuse}'; check the path"
        )
    return named


def _kind(path: Path) -> str:
    if path.is_dir():
        return "a folder without one"
    return "a file" if path.exists() else "nothing there"


def _run_folders(folder: Path) -> list[Path]:
    """Return the run folders in a folder, and those in its folders of several workloads, by their names."""
    if not folder.is_dir():
        return []
    inner = sorted(folder.iterdir())
    for common in filter(has_workloads, list(inner)):
        inner += sorted(common.iterdir())
    return [place for place in inner if schema.is_run_folder(place)]
