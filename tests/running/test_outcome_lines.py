"""The lines on how runs ended: short names, settings once, trials from one, failures by arm."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from harness.plugin.meta import Deciding
from harness.plugin.runs import Arm, short_arm_names
from harness.running.outcome_lines import comparison_failures, outcome_line, search_failures

PLAN = SimpleNamespace(
    metric="accuracy", goal=Deciding("accuracy", "max", "%"), searched=Deciding("loss", "min", "nats")
)
ADAM = Arm("lesson_cnn", "adam", "cosine")


def run(phase="search", arm=ADAM, number=0):
    settings = {"beta1": 0.9, "lr": 0.0063830001}
    return SimpleNamespace(
        phase=phase, arm=arm, optimizer=settings, scheduler={}, epochs=5, init_seed=number, id=f"{arm.name} {number}"
    )


def test_a_trial_has_its_settings_with_the_rate_first_and_a_seed_has_none():
    row = {"state": "done", "reason": "", "seconds": 1.33, "metrics": {"tune_loss": 0.2131, "test_accuracy": 0.9468}}
    assert outcome_line(PLAN, run(), row, "search 2, trial 4/8", "adam") == (
        "search 2, trial 4/8  adam  tune loss 0.213 nats  1.33 s  lr=0.006383 beta1=0.9 epochs=5"
    )
    seed = outcome_line(PLAN, run("compare"), row, "seed 0", "adam")
    assert seed == "             seed 0  adam  test accuracy 94.68 %  1.33 s"
    assert outcome_line(PLAN, run(), {**row, "confirms": True}, "confirm 4", "adam").endswith("nats  1.33 s")
    assert outcome_line(PLAN, run("compare"), row, "seed 0", taken_from="runs/x") == (
        "             seed 0  lesson_cnn/adam/cosine  test accuracy 94.68 %  1.33 s  taken from runs/x"
    )
    failed = outcome_line(PLAN, run("compare"), {**row, "state": "failed", "reason": "it broke"}, "seed 0", "adam")
    assert "adam  failed: it broke  1.33 s" in failed


def test_failures_of_the_comparison_are_one_line_an_arm_and_way():
    arms = {"fresh": ADAM, "untuned": Arm("lesson_cnn", "adam", "cosine", alias="adam~untuned")}
    entries = [SimpleNamespace(run=run("compare", number=n), role="fresh") for n in range(4)]
    entries.append(SimpleNamespace(run=run("compare", arms["untuned"]), role="untuned"))
    rows = {entry.run.id: {"state": "failed", "reason": f"reason {n}"} for n, entry in enumerate(entries)}
    rows[entries[3].run.id] = {"state": "diverged", "reason": "loss is nan"}
    store = SimpleNamespace(run=rows.get)
    assert comparison_failures(entries, store, {ADAM.name: "adam"}) == [
        "adam: 3 of 4 runs of the comparison failed; the first one, seed 0: reason 0",
        "adam: 1 of 4 runs of the comparison diverged; seed 3: loss is nan",
    ]
    rows.clear()
    assert comparison_failures(entries, store, {ADAM.name: "adam"}) == []


def test_trials_that_failed_are_one_line_a_search_and_count_from_one():
    trials = [{"number": n, "state": "failed" if n else "done", "reason": f"reason {n}"} for n in range(3)]
    search = SimpleNamespace(
        arm=ADAM.name, replicate=1, trials=trials, finished=True, best=lambda: trials[0],
        failed_confirmations=lambda: [{"number": 0, "reason": "no room"}],
    )  # fmt: skip
    assert search_failures([search], {ADAM.name: "adam"}) == [
        "adam #2: 2 of 3 trials failed; the first one, trial 2: reason 1",
        "adam #2: the confirmation of trial 1 failed: no room",
    ]


@pytest.mark.parametrize(
    ("arms", "names"),
    [
        (["a/sgd/cosine", "a/adam/cosine"], ["sgd", "adam"]),
        (["a/sgd/cosine"], ["sgd"]),
        (["a+mlp/sgd/cosine", "a+linear/sgd/cosine"], ["a+mlp/sgd", "a+linear/sgd"]),
        ([], []),
    ],
)
def test_short_names_leave_out_what_all_arms_share(arms, names):
    assert list(short_arm_names(arms).values()) == names
