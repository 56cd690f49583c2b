"""The columns of the records' tables, each with the kind of its values and what it means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pandas import DataFrame


class Column(NamedTuple):
    """A column of a table."""

    kind: type
    meaning: str


COMMON: Mapping[str, Column] = {
    "arm": Column(str, "the arm: network/optimizer/schedule"),
    "run_id": Column(str, "the run, by the hash of everything that decides its outcome"),
    "phase": Column(str, "search or compare"),
    "seed": Column(int, "the seed that the run's random numbers are drawn from"),
    "state": Column(str, "waiting, done, stopped (by the pruner), diverged or failed"),
    "reason": Column(str, "why it failed or diverged; empty where it ended well"),
    "seconds": Column(float, "seconds of training"),
    "started": Column(str, "when it began, UTC"),
    "ended": Column(str, "when it ended, UTC"),
    "environment": Column(str, "the versions and hardware that it was trained with, by their hash"),
    "taken_from": Column(str, "the run folder that it was trained in; empty where that is this one"),
    "precision": Column(str, "the number format of the training: fp32 or bf16"),
    "schema_version": Column(int, "the version of the tables that it was written with"),
    "epoch": Column(int, "the number of the epoch, from 1 on"),
    "steps": Column(int, "updates of the weights so far"),
    "lr": Column(float, "the learning rate"),
    "replicate": Column(int, "the replicate, from 0 on"),
    "network": Column(str, "the network: a backbone, with its head where it has one"),
    "metric": Column(str, "the metric, with its split"),
    "unit": Column(str, "the unit of the numbers; % stands for fractions of 1"),
    "draw": Column(str, "what the mean is over: seed, or replicate"),
    "draws": Column(int, "how many of these there are"),
    "seeds": Column(int, "how many seeds it is over"),
    "examples": Column(int, "how many test examples it is over"),
    "mean": Column(float, "the mean over seeds, or over replicates where there are several"),
    "low": Column(float, "the lower end of the interval; NaN where there is none"),
    "high": Column(float, "the upper end of the interval; NaN where there is none"),
    "se": Column(float, "the standard error"),
    "covers": Column(
        str, "which draw the interval is about: seeds, replicates or examples; empty where there is no interval"
    ),
    "goal": Column(str, "max where more is better, min where less is better"),
    "hash": Column(str, "the protocol of the verdict"),
    "facet": Column(str, "the facet: a group of measures with one label"),
    "measure": Column(str, "what is compared"),
    "other": Column(str, "the other arm"),
    "split": Column(str, "train, tune or test"),
    "row": Column(int, "the example's place in its split"),
    "file": Column(str, "the photo's file"),
    "label": Column(str, "the class that the data give it"),
    "replicates": Column(int, "how many replicates it is over"),
    "look": Column(int, "the look at which it was taken; 0 before the first"),
    "looks": Column(int, "how many looks there are at the most"),
    "level": Column(float, "the level of each test at that look"),
    "p": Column(float, "the p value"),
    "margin": Column(float, "how large a difference may be and still not matter"),
}  # that have one meaning in several tables, of the records or of analyses
_TRIAL: Mapping[str, Column] = {
    "number": Column(int, "the number of the trial in its search, from 0 on"),
    "generation": Column(int, "the generation that it was asked in: its trials do not know of each other"),
    "params": Column(object, "its hyperparameters, by name"),
    "run_id": Column(str, "the run of its first seed"),
    "state": COMMON["state"],
    "value": Column(float, "its score on the tune split: the mean over the seeds of the search; NaN without one"),
    "reason": COMMON["reason"],
    "seconds": Column(float, "seconds of training, of all its seeds"),
    "trained": Column(int, "epochs that were trained, of all its seeds"),
    "confirmation": Column(
        str, "the run that trained it once more at full length before the search chose; empty for none"
    ),
    "confirmation_state": Column(str, "the state of that run; empty for none"),
    "confirmed": Column(float, "the score of that run; NaN where it did not end well"),
}
_RUN: Mapping[str, Column] = {
    "state": COMMON["state"],
    "reason": COMMON["reason"],
    "seconds": COMMON["seconds"],
    "started": COMMON["started"],
    "ended": COMMON["ended"],
    "environment": COMMON["environment"],
    "schema_version": COMMON["schema_version"],
    "taken_from": COMMON["taken_from"],
}
TABLES: Mapping[str, Mapping[str, Column]] = {
    "arms": {
        "arm": COMMON["arm"],
        "network": Column(str, "the backbone, with its head where it has one: BACKBONE+HEAD"),
        "backbone": Column(str, "the model that is trained, or whose frozen features the head is trained on"),
        "head": Column(str, "what is trained on the frozen backbone; empty where the backbone itself is trained"),
        "optimizer": Column(str, "the optimizer, by its name in the benchmark"),
        "scheduler": Column(str, "the schedule of the learning rate"),
        "position": Column(int, "its place in the benchmark"),
        "tuned_trial": Column(float, "the number of the trial that the first search chose; NaN for none"),
        "tuned_params": Column(object, "the hyperparameters of that trial, by name"),
        "tuned_value": Column(float, "its score as a trial, on the tune split"),
    },
    "trials": {
        "arm": COMMON["arm"],
        **_TRIAL,
        "epochs": Column(int, "epochs that one seed is to train"),
    },
    "runs": {
        "run_id": COMMON["run_id"],
        "arm": COMMON["arm"],
        "phase": COMMON["phase"],
        "seed": COMMON["seed"],
        **_RUN,
        "precision": COMMON["precision"],
    },
    "epochs": {
        "run_id": COMMON["run_id"],
        "arm": COMMON["arm"],
        "phase": COMMON["phase"],
        "seed": COMMON["seed"],
        "epoch": COMMON["epoch"],
        "steps": COMMON["steps"],
        "gradients": Column(int, "evaluations of the gradient so far"),
        "lr": Column(float, "the learning rate of the epoch's first step; a schedule may move it with every step"),
        "seconds": Column(float, "seconds of training so far"),
    },
    "range_tests": {
        "arm": COMMON["arm"],
        "step": Column(int, "the step of the range test"),
        "lr": COMMON["lr"],
        "loss": Column(float, "the loss of the batch"),
        "smoothed": Column(float, "the loss, smoothed over the steps"),
    },
    "paths": {
        "arm": COMMON["arm"],
        "landscape": Column(str, "the function of two parameters"),
        "step": Column(int, "the step of the optimizer, 0 at the start"),
        "gradients": Column(int, "evaluations of the gradient so far"),
        "x": Column(float, "the first parameter"),
        "y": Column(float, "the second parameter"),
        "value": Column(float, "the function's value there"),
        "lr": COMMON["lr"],
        "problem": Column(str, "why the walk ended early; empty where it did not"),
    },
    "examples": {
        "split": Column(str, "train, tune or test"),
        "row": Column(int, "the photo's place in its split"),
        "name": Column(str, "the photo's file"),
        "target": Column(int, "the number of its class"),
        "excluded": Column(bool, "whether data.exclude leaves it out"),
    },
    "comparison": {
        "run_id": COMMON["run_id"],
        "arm": COMMON["arm"],
        "role": Column(
            str, "fresh (the arm's own), twin, restart, untuned, aa or different: `harness docs records` has more"
        ),
        "of": Column(str, "the arm that the run belongs to"),
        "phase": COMMON["phase"],
        "state": COMMON["state"],
        "reason": COMMON["reason"],
        "started": COMMON["started"],
        "ended": COMMON["ended"],
        "environment": COMMON["environment"],
        "replicate": COMMON["replicate"],
        "init_seed": Column(int, "the seed of the initial weights"),
        "order_seed": Column(int, "the seed of the order of the examples"),
        "seed": COMMON["seed"],
        "seconds": COMMON["seconds"],
    },
    "measured": {
        "probe": Column(str, "the probe that measured"),
        "one": Column(str, "the run of the network"),
        "other": Column(str, "the run of the second network; empty where the probe looks at one"),
        "third": Column(str, "the run of the third network; empty where the probe looks at fewer"),
        "name": Column(str, "what was measured"),
        "value": Column(float, "the number; NaN where it is not defined"),
    },
    "repeated": {
        "search": Column(str, "the search, by the name of its study"),
        "control": Column(str, "the name of the A/A arm; empty for an arm's own search"),
        "arm": COMMON["arm"],
        "replicate": COMMON["replicate"],
        **_TRIAL,
        "chosen": Column(bool, "whether its search chose it"),
    },
}
_METRIC = re.compile(r"(?:(tta|snapshots|snapshot\d+)_)?(train|tune|test)_(.+)")


def empty_table(name: str) -> DataFrame:
    """Return one of the records' tables without a row: its columns, each of its kind."""
    import pandas as pd

    return pd.DataFrame({name: pd.Series(dtype=column.kind) for name, column in TABLES[name].items()})


def with_kinds(name: str, table: DataFrame) -> DataFrame:
    """Return one of the records' tables; where it has no row, its columns have their kinds all the same."""
    if len(table):
        return table
    kinds = TABLES[name]
    return table.astype({column: kinds[column].kind if column in kinds else float for column in table.columns})


def meaning_of(table: str, column: str) -> str:
    """Return what a column of one of the records' tables means, in a line; "" where that is not known."""
    meanings = {**COMMON, **TABLES[table]}
    if column in meanings:
        return meanings[column].meaning
    return metric_meaning(column) or parameter_meaning(column)


def metric_meaning(column: str) -> str:
    """Return what a column with a metric or with a probe's number means; "" for any other column."""
    if match := _METRIC.fullmatch(column):
        ways = {"tta": ", the mean over two views of each photo", "snapshots": ", the mean over all snapshots"}
        more = f", of {match[1]}" if match[1] and match[1] not in ways else ways.get(match[1] or "", "")
        return f"{match[3].replace('_', ' ')} on the {match[2]} split{more}"
    meanings = {
        "running_loss": "the loss of the batches of the epoch, as the optimizer saw it",
        "train_objective": "the whole objective on the train split at the end, penalty included",
        "start_objective": "the whole objective on the train split at the initial weights",
    }
    if column in meanings:
        return meanings[column]
    probe, dot, name = column.partition(".")
    if probe == "group":
        return f"the entry '{name}' of the optimizer's parameter groups, which the schedule moves"
    return f"{name.replace('_', ' ')}, measured by the probe {probe}" if dot else ""


def parameter_meaning(column: str) -> str:
    """Return what a column with a hyperparameter means; "" for any other column."""
    name = column.removeprefix(PARAMETER)
    return f"the hyperparameter {name}" if name != column else ""


PARAMETER = "params_"  # goes before the name of a hyperparameter, as in Optuna's own table of trials
