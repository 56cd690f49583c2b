"""Which model of a run is used: the arm that is best on the tune split, and of it one run or all of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.console.numbers import measure
from harness.data.squares import Cut
from harness.errors import BenchmarkError, RunFolderError, did_you_mean, shown
from harness.models.trained import Model, origin_of
from harness.plugin.runs import full_arm_name, short_arm_names
from harness.records import Records, schema
from harness.results.tables.winner import Runs, arms_by_tune, best_seed, mean_score, runs_with_tune_score

REFIT = "refit"  # what is typed for the run on train and tune together, or ``refit:ARM``


@dataclass(frozen=True)
class Choice:
    """The part of a run that predicts: an arm, and one of its comparison runs or all, each with its snapshots or not."""

    arm: str
    backbone: str
    head: str  # empty where the backbone itself was trained
    run_ids: tuple[str, ...]
    why: str  # for a person
    snapshots: bool = False


def choose_model(records: Records, arm: str | None = None, ensemble: bool = False, snapshots: bool = False) -> Choice:
    """Return the arm whose finished comparison runs have the best mean on the tune split, and of it the best run, or all.

    With ``snapshots`` it is the best of the arms that kept some. The test split has no influence. The ``arm`` may have its short
    name; "refit" and "refit:ARM" are runs that were trained on train and tune together. Raises RunFolderError where none has finished or none was kept, and
    BenchmarkError for an unknown ``arm``.
    """
    if arm is not None and arm.partition(":")[0] == REFIT:
        return _refitted(records, arm, ensemble or snapshots)
    arms = list(records.meta.arms)
    arm = None if arm is None else full_arm_name(arm, arms)
    if arm is not None and arm not in arms:
        raise BenchmarkError(f"--arm: must be an arm of the run, got {shown(arm)}{did_you_mean(arm, arms)}")
    deciding, runs = records.deciding, _usable_runs(records, arm, snapshots)
    best = arms_by_tune(runs, deciding.sign)[0]
    of_best = runs[best]
    seeds = sorted(of_best) if ensemble else [best_seed(of_best, deciding.sign)]
    mean = measure(mean_score(of_best, "tune"), deciding.unit)
    reason = f"tune {deciding.name} {mean} on average over {len(of_best)} seeds"
    backbone, head = _split_network(records, best)
    networks = _name_networks(seeds, ensemble, snapshots)
    run_ids = tuple(of_best[seed]["run_id"] for seed in seeds)
    return Choice(best, backbone, head, run_ids, f"{best}, {networks} ({reason})", snapshots)


def _usable_runs(records: Records, arm: str | None, snapshots: bool) -> Runs:
    """Return the runs that can be chosen, by arm and seed; raises RunFolderError where there is none."""
    runs = runs_with_tune_score(records)
    if arm is not None:
        runs = {arm: runs[arm]} if arm in runs else {}
    if not runs:
        raise RunFolderError(
            f"{records.folder}: must have a finished comparison run with a tune {records.deciding.name}, got none; "
            "'harness run' goes on"
        )
    if not snapshots:
        return runs
    kept = {
        name: {seed: run for seed, run in by_seed.items() if schema.snapshots(records.folder, run["run_id"])}
        for name, by_seed in runs.items()
    }
    kept = {name: by_seed for name, by_seed in kept.items() if by_seed}
    if not kept:
        raise RunFolderError(
            f"{records.folder}: must have snapshots{f' of {arm}' if arm else ''}, got none; they are kept with "
            "compare.snapshots = true where a schedule has cycles (sgdr)"
        )
    return kept


def model_line(records: Records) -> str:
    """Return in a line which run ``harness predict`` and ``export`` take, and how good it is; "" where they take none.

    Their run was chosen on the tune split, so that its score on the test split is an honest one.
    """
    if not _is_of_photos(records):
        return ""
    try:
        choice = choose_model(records)
    except RunFolderError:
        return ""
    deciding, runs = records.deciding, records.compared().set_index("run_id")
    row: dict[Any, Any] = runs.loc[choice.run_ids[0]].to_dict()
    name = short_arm_names(records.meta.arms)[choice.arm]
    tune, test = (measure(float(row[column]), deciding.unit) for column in (deciding.tune_column, deciding.column))
    metric = deciding.name.replace("_", " ")
    return (
        f"'harness predict' and 'harness export' take {name}, seed {row['seed']}: the best arm on tune, and its best seed "
        f"there (tune {metric} {tune}, test {metric} {test})"
    )


def _is_of_photos(records: Records) -> bool:
    """Return whether a run is on photos of two or more classes, which alone can be predicted."""
    return len(records.meta.data["classes"]) >= 2 and len(records.meta.data["input_shape"]) == 3


def _refitted(records: Records, typed: str, several: bool) -> Choice:
    """Return the run of an arm that was trained on train and tune together; raises RunFolderError where there is none.

    Where no arm is named, it is the best one, or the only one that was trained so.
    """
    refits = records.meta.refits
    named = full_arm_name(typed.removeprefix(REFIT).removeprefix(":"), list(records.meta.arms))
    arm = named or (next(iter(refits)) if len(refits) == 1 else choose_model(records).arm)
    if arm not in refits:
        option = f"--refit-arm {named}" if named else "--refit"
        has = f"refits of {', '.join(refits)}" if refits else "none"
        hint = f"'harness run FILE.toml {option}' trains one"
        raise RunFolderError(f"{records.folder}: must have a refit for --arm {shown(typed)}, got {has}; {hint}")
    if several:
        raise BenchmarkError(f"--arm {typed}: must be one network, got --ensemble or --snapshots; leave it out")
    refit = refits[arm]
    backbone, head = _split_network(records, arm)
    reason = f"{arm}, seed {refit['seed']}, trained again on {refit['examples']:,} examples of train and tune"
    return Choice(arm, backbone, head, (str(refit["run_id"]),), reason)


def _split_network(records: Records, arm: str) -> tuple[str, str]:
    """Return an arm's backbone and its head, which is empty where the backbone itself was trained."""
    row = records.arms.set_index("arm").loc[arm]
    return str(row["backbone"]), str(row["head"])


def _name_networks(seeds: Iterable[int], ensemble: bool, snapshots: bool) -> str:
    numbers = ", ".join(map(str, seeds))
    networks = f"the mean of seeds {numbers}" if ensemble else f"seed {numbers}"
    return f"the snapshots of {networks}" if snapshots else networks


def build_model(records: Records, choice: Choice, pretrained: bool | str | None = None) -> Model:
    """Return a run's model; ``pretrained`` where the user has just said where the backbone's weights are.

    Raises RunFolderError for a run that is not on photos of two or more classes.
    """
    from harness.training.batches import MEAN, STD

    folder, data = records.folder, records.meta.data
    if not _is_of_photos(records):
        raise RunFolderError(
            f"{folder}: must be a run on photos of two or more classes, got one on other data; its networks are in solutions/"
        )
    cut, weights_info = _recorded_cut(records), records.meta.weights.get(choice.backbone)
    files: list[Path] = []
    for run_id in choice.run_ids:
        files += schema.snapshots(folder, run_id) if choice.snapshots else []
        files.append(schema.solution(folder, run_id))
    return Model(
        origin=origin_of(records, pretrained, choice.run_ids[0]),
        arm=choice.arm,
        backbone=choice.backbone,
        head=choice.head,
        task=records.meta.benchmark["train"]["task"],
        classes=tuple(data["classes"]),
        cut=cut,
        mean=tuple(weights_info["mean"]) if weights_info else MEAN,
        std=tuple(weights_info["std"]) if weights_info else STD,
        files=tuple(files),
        why=choice.why,
        notice=data["notice"],
        block=tuple(records.meta.benchmark.get("block", ())),
    )


def _recorded_cut(records: Records) -> Cut:
    data = records.meta.data
    return Cut(data["input_shape"][0], data["interpolation"], data["crop"])
