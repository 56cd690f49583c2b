"""The refit: an arm trained once more, on the train and the tune split together (``harness run --refit``).

It is the run that ``harness export`` would take, the arm's best seed on tune, with all examples but those of the test split.
The arm is the best one, or one that was named (``--refit-arm``). No score of the tune split means anything for a refit, so it
takes no part in the comparison, and no table of the comparison has it. Its test score is an honest one: nothing was chosen by it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from harness.benchmark.plan import Setting
from harness.console.numbers import counted
from harness.errors import HarnessError
from harness.models.choice import REFIT, choose_model
from harness.plugin.runs import short_arm_names
from harness.records import Store, open_records
from harness.running import fold_data
from harness.running.after.beside import is_done, train_beside
from harness.running.driver import Driver
from harness.running.session import Session
from harness.running.throughput import Work

REFITS = "refits"  # the note that has them


def refit(setting: Setting, driver: Driver, session: Session, arm: str | None) -> str:
    """Train the refit of an arm, or of the best one, unless it is there; return why it could not be done, in a line, or ""."""
    store, reporter, limit = session.store, session.reporter, session.limit
    try:
        choice = choose_model(open_records(store.folder), arm)
    except HarnessError as error:
        return f"there is no refit{f' of {arm}' if arm else ''}: {error}"
    before = next((entry.run for entry in driver.comparison if entry.run.id == choice.run_ids[0]), None)
    if before is None:
        return f"there is no refit: {choice.arm}{'' if arm else ' is the best arm, and'} was trained elsewhere"
    data = setting.data_of(before.arm)
    run = replace(before, data=fold_data.joined_fingerprint(data), snapshots=False)
    seconds = limit.throughput.seconds(Work(run.epochs, 1))
    if not is_done(store, run.id) and not limit.fits(seconds, late=True):
        remedy = limit.remedy(seconds, store.noted("command") or ())
        reporter.say(
            f"refit left out: the time limit of {limit.words} has no room for it; to go on: {remedy}", style="yellow"
        )
        return ""
    examples = len(data.train) + len(data.tune)
    reporter.say(f"refit: {choice.arm}, seed {before.init_seed}, on {counted(examples, 'example')} of train and tune")
    train_beside(setting, [run], store, reporter, session.earlier, session.executor, keep_weights=True)
    if not is_done(store, run.id):
        row = store.run(run.id) or {}
        return f"the refit of {choice.arm} failed: {row.get('reason') or row.get('state')}"
    note = {"arm": choice.arm, "run_id": run.id, "of": before.id, "seed": before.init_seed, "examples": examples}
    note |= {"test": _test_score(setting, store, run.id), "test_before": _test_score(setting, store, before.id)}
    store.note(REFITS, {**(store.noted(REFITS) or {}), choice.arm: note})
    typed = REFIT if arm is None else f"{REFIT}:{short_arm_names(open_records(store.folder).meta.arms)[choice.arm]}"
    reporter.say(f"refit: 'harness predict' and 'harness export' take it with --arm '{typed}'")
    return ""


def _test_score(setting: Setting, store: Store, run_id: str) -> float | None:
    """Return the deciding metric of a run on the test split; None where it is undefined."""
    row: dict[str, Any] = store.run(run_id) or {"metrics": {}}
    score: float | None = row["metrics"].get(f"test_{setting.plan.metric}")
    return score
