"""Looks: replicates are appended until the verdict needs no more, a limit is used up, or the last look is over."""

from __future__ import annotations

import importlib.util
import re
import sys
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.cli.status import status, status_lines
from harness.console.progress import Reporter
from harness.records import Store, open_records
from harness.results.run_state import is_over
from harness.running import campaign as module
from harness.running import looks, session, time_limit
from harness.running.baseline import pack
from harness.running.forecast import ending
from harness.running.prepare import Request
from harness.running.start import run
from harness.running.throughput import Throughput

SMALL = (
    ("trials = 3", "trials = 1"),
    ("seeds = 2", 'seeds = 1\nuntuned = 0\ngate = false\nprobes = ["gradient_norm", "distance"]'),
    ('formats = ["text"]', "formats = []"),
)
LOOKS = ("looks = [1]", "looks = [1, 2, 4]")


@cache
def contents_of():
    """Return the function by which the hostile tests compare the tables of two runs."""
    file = Path(__file__).parents[1] / "hostile" / "campaign.py"
    spec = importlib.util.spec_from_file_location("campaign_of_kills", file)
    made = importlib.util.module_from_spec(spec)
    sys.modules["campaign_of_kills"] = made
    spec.loader.exec_module(made)
    return made.contents


@pytest.fixture
def carry_out(benchmark_file, tmp_path, monkeypatch, unreported):
    """Return a function that carries out a small benchmark whose verdict is settled after so many replicates."""
    lines = []
    monkeypatch.setattr(Reporter, "say", lambda self, text, style="", brief=False: lines.append(text))

    def go(*replacements, settled=99, out="runs", **more):
        asked = []

        def decide(records, registered):
            ended = records.comparison.groupby("replicate")["state"].apply(lambda states: (states == "done").all())
            asked.append(int(ended.sum()))
            if isinstance(settled, Exception):
                raise settled
            return asked[-1] >= settled

        if settled is not None:  # else the verdict itself decides
            monkeypatch.setattr(module, "settled", decide)
        lines.clear()
        file = benchmark_file(*SMALL, *replacements)
        code = run(Request(file, out=tmp_path / out, **more), Reporter(), ["harness", "run", str(file)])
        folder = next(path for path in (tmp_path / out).iterdir() if path.is_dir())
        return SimpleNamespace(code=code, lines=list(lines), asked=asked, folder=folder, records=open_records(folder))

    return go


def replicates_of(made):
    return sorted(set(made.records.comparison["replicate"]))


# --- which look comes next -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("begun", "expected"), [(0, 6), (5, 6), (6, 6), (8, 6), (9, 9), (24, 12), (12, 12)]
)  # fmt: skip
def test_a_run_goes_on_at_the_look_that_it_has_come_to(begun, expected):
    assert looks.look_of([6, 9, 12], begun) == expected


def test_the_looks_follow_each_other():
    found, look = [], 6
    while look is not None:
        found.append(look)
        look = looks.next_look([6, 9, 12], look)
    assert found == [6, 9, 12]


# --- appending -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settled", "replicates", "word"), [(1, 1, "settled"), (2, 2, "settled"), (99, 4, "last look")]
)
def test_replicates_begin_as_long_as_the_verdict_needs_them(carry_out, settled, replicates, word):
    made = carry_out(LOOKS, settled=settled)
    assert made.code == 0
    assert replicates_of(made) == list(range(replicates))
    assert made.records.meta.looks == {"replicates": replicates, "ended": word, "left_out": ""}
    assert is_over(made.records)
    assert made.asked == [look for look in (1, 2) if look <= replicates]  # after the last look nobody needs to be asked
    assert len(made.records.trials) + len(made.records.repeated) == 2 * replicates


@pytest.mark.parametrize("controls", ["", "aa = true\nlabel_noise = 0.2\n"])
def test_where_there_is_nothing_to_compare_one_look_is_enough(carry_out, controls):
    """A control belongs to its arm, and its word is no facet's."""
    one = ('optimizers = ["sgd", "adam"]', 'optimizers = ["adam"]')
    made = carry_out(LOOKS, one, ("[compare]", f"[compare]\n{controls}"), settled=None)
    assert made.code == 0
    assert replicates_of(made) == [0]
    assert made.records.meta.looks["ended"] == "settled"
    assert "look 1 of 3 (1 replicate): there is nothing to compare; no facet needs more replicates" in made.lines, (
        made.lines
    )


def test_each_look_is_a_line_that_says_what_follows(carry_out):
    made = carry_out(LOOKS)
    said = [line for line in made.lines if line.startswith("look ")]
    assert [line.partition(":")[0] for line in said] == [
        "look 1 of 3 (1 replicate)", "look 2 of 3 (2 replicates)", "look 3 of 3 (4 replicates)",
    ]  # fmt: skip
    assert [line.rpartition("; ")[2] for line in said] == [
        "1 more replicate begins", "2 more replicates begin", "this was the last look",
    ]  # fmt: skip
    assert all("loss " in line and "geometry " in line for line in said)
    assert not any(line.startswith("look ") for line in carry_out(out="single").lines)  # the verdict says it


def test_the_workers_stay_open_between_looks(carry_out, monkeypatch):
    opened, before = [], session.open_executor

    def counted(*arguments):
        opened.append(1)
        return before(*arguments)

    monkeypatch.setattr("harness.running.start.open_executor", counted)
    carry_out(LOOKS)
    assert len(opened) == 1


def test_the_same_command_again_has_nothing_left_to_do(carry_out):
    made = carry_out(LOOKS, settled=2)
    before = contents_of()(made.folder)
    again = carry_out(LOOKS, settled=2)
    assert f"nothing left to do in {made.folder}: it is finished" in again.lines
    assert contents_of()(again.folder) == before


def test_a_benchmark_with_more_looks_goes_on_in_the_folder_of_the_one_with_fewer(carry_out):
    few = carry_out(("looks = [1]", "looks = [2]"))
    runs = set(few.records.comparison["run_id"])
    more = carry_out(("looks = [1]", "looks = [2, 3]"))
    assert more.folder == few.folder
    assert replicates_of(more) == [0, 1, 2]
    assert runs < set(more.records.comparison["run_id"])
    assert more.asked == [2]  # by the protocol with two looks, whatever the first one has decided
    at_once = carry_out(("looks = [1]", "looks = [2, 3]"), out="at once")
    kept = ("runs", "epochs", "asks", "measured")
    assert {table: contents_of()(more.folder)[table] for table in kept} == {
        table: contents_of()(at_once.folder)[table] for table in kept
    }


class Killed(BaseException):
    """What a kill is here."""


def test_after_kills_it_goes_on_at_the_same_look_and_ends_with_the_same_tables(carry_out, monkeypatch):
    """Killed in a search and in the comparison of each replicate."""
    whole = carry_out(LOOKS, settled=2, out="whole")
    append, kills = Store.append, 0
    for events in (3, 6, 5, 7):
        count = []

        def killing(self, *arguments, count=count, events=events):
            count.append(1)
            if len(count) == events:
                raise Killed
            append(self, *arguments)

        with monkeypatch.context() as patch:
            patch.setattr(Store, "append", killing)
            try:
                carry_out(LOOKS, settled=2)
            except Killed:
                kills += 1
    assert kills > 2
    again = carry_out(LOOKS, settled=2)
    assert contents_of()(again.folder) == contents_of()(whole.folder)


def test_only_search_searches_up_to_the_first_look(carry_out):
    made = carry_out(("looks = [1]", "looks = [2, 3]"), only_search=True)
    assert made.records.meta.comparison is None
    assert set(made.records.repeated["replicate"]) == {1}
    assert made.asked == []
    whole = carry_out(("looks = [1]", "looks = [2, 3]"), settled=2)
    assert replicates_of(whole) == [0, 1]
    assert sum("runs to do" in line for line in whole.lines) == 1


def test_a_look_that_fails_is_named_and_ends_the_run(carry_out):
    made = carry_out(LOOKS, settled=RuntimeError("no view today"))
    assert made.code == 1
    assert "warning: the look at the verdict failed: RuntimeError: no view today" in made.lines
    assert replicates_of(made) == [0]
    assert not is_over(made.records)


UNPROBED = ('probes = ["gradient_norm", "distance"]', "probes = []")  # their seconds would be those of this machine


# --- limits --------------------------------------------------------------------------------------------------


def test_a_budget_that_is_used_up_begins_no_replicate_and_names_the_command_that_goes_on(carry_out, monkeypatch):
    """The clock ticks once an epoch. A replicate has two trials and two runs of two epochs: seven at the most."""
    with monkeypatch.context() as patch:
        patch.setattr(ending.Ending, "expected", lambda self: 6.0)
        patch.setattr(time_limit.TimeLimit, "used", property(lambda limit: float(limit._store.epochs_trained())))
        patch.setattr(Throughput, "per_epoch", property(lambda shown: 1.0))
        patch.setattr(Throughput, "per_run", property(lambda shown: 0.0))
        limit = ('name = "tiny"', 'name = "tiny"\nbudget = 17')
        made = carry_out(("looks = [1]", "looks = [2, 3]"), limit, UNPROBED)
        again = carry_out(("looks = [1]", "looks = [2, 3]"), limit, UNPROBED)
    assert (made.code, again.code) == (0, 0)
    assert not any("it is finished" in line for line in again.lines)
    assert replicates_of(made) == [0]
    (line,) = [line for line in again.lines if line.startswith("the time limit of ")]
    assert line.startswith(
        "the time limit of 17.0 s has no room for more: 1 replicate of 2 is compared; to go on: harness run "
    )
    assert re.search(r" --time-limit \d+s$", line)
    document = status(made.folder)
    assert document["left_out"] == [line]
    assert document["replicates"] == {"ended": 1, "total": 2, "looks": [2, 3]}
    assert "  replicates 1/2 to look 1 of 2" in status_lines(document)
    assert made.records.meta.budget["asked"] == 17
    assert made.records.meta.budget["used"] > 0
    more = carry_out(("looks = [1]", "looks = [2, 3]"), ('name = "tiny"', 'name = "tiny"\nbudget = "300h"'))
    assert (more.code, replicates_of(more)) == (0, [0, 1, 2]), more.lines
    assert any(re.match(r"took .* \(.* with earlier calls\); all details: ", line) for line in more.lines), more.lines
    assert more.records.meta.looks["left_out"] == ""
    free = carry_out(("looks = [1]", "looks = [2, 3]"), out="free")
    kept = ("runs", "epochs", "asks", "measured")
    assert {table: contents_of()(more.folder)[table] for table in kept} == {
        table: contents_of()(free.folder)[table] for table in kept
    }


def test_what_has_ended_stays_whatever_the_budget(carry_out):
    made = carry_out(("looks = [1]", "looks = [1, 3]"))
    assert replicates_of(made) == [0, 1, 2]
    again = carry_out(("looks = [1]", "looks = [1, 3]"), ('name = "tiny"', 'name = "tiny"\nbudget = 1e-9'))
    assert replicates_of(again) == [0, 1, 2]
    assert not any(line.startswith("the time limit of ") for line in again.lines)


def test_a_budget_without_room_for_any_trial_is_no_failure(carry_out):
    made = carry_out(("looks = [1]", "looks = [2]"), ('name = "tiny"', 'name = "tiny"\nbudget = 1e-3'), UNPROBED)
    assert (made.code, len(made.records.trials)) == (0, 0)
    assert any(line.startswith("the time limit of ") for line in made.lines)
    assert not any("warning" in line or "it is finished" in line for line in made.lines)


def test_where_no_replicate_fits_whole_every_search_gets_equally_few_trials(carry_out, monkeypatch):
    more = (("trials = 1", "trials = 6"), ("epochs = [1, 2]", "epochs = [1]"), UNPROBED)
    with monkeypatch.context() as patch:
        patch.setattr(ending.Ending, "expected", lambda self: 6.0)
        patch.setattr(time_limit.TimeLimit, "used", property(lambda limit: float(limit._store.epochs_trained())))
        patch.setattr(Throughput, "per_epoch", property(lambda shown: 1.0))
        patch.setattr(Throughput, "per_run", property(lambda shown: 0.0))
        made = carry_out(*more, ('name = "tiny"', 'name = "tiny"\nbudget = 16'))
    # ten epochs beside the report's six seconds: three trials of each arm, and two runs of two epochs
    assert made.records.trials.groupby("arm")["number"].count().tolist() == [3, 3]
    assert replicates_of(made) == [0]
    assert made.records.meta.budget["units"] == 3
    design = made.records.meta.protocols[-1]["protocol"]["design"]["search"]
    assert (design["trials"], design["fitted"]) == (6, 3)
    (line,) = [line for line in made.lines if line.startswith("the time limit of ")]
    assert line.startswith(
        "the time limit of 16.0 s has no room for more: each search has 3 of 6 trials; to go on: harness run "
    )
    whole = carry_out(*more)
    assert whole.folder == made.folder
    assert whole.records.trials.groupby("arm")["number"].count().tolist() == [6, 6]
    free = carry_out(*more, out="free")
    kept = ("asks", "measured")
    assert {table: contents_of()(whole.folder)[table] for table in kept} == {
        table: contents_of()(free.folder)[table] for table in kept
    }


def test_no_look_goes_beyond_the_replicates_of_a_baseline(carry_out, tmp_path):
    one = ('optimizers = ["sgd", "adam"]', 'optimizers = ["adam"]')
    there = carry_out(LOOKS, one, settled=2, out="there")
    pack(there.folder, tmp_path / "rival.zip")
    with_rival = ("[report]", '[baseline]\nfile = "rival.zip"\n[report]')
    other = ('optimizers = ["sgd", "adam"]', 'optimizers = ["sgd"]')
    made = carry_out(LOOKS, other, with_rival, out="here")
    assert made.code == 0
    assert replicates_of(made) == [0, 1]
    assert made.records.meta.looks["ended"] == "baseline"
    assert any("the baseline has 2 replicates, too few for the next look" in line for line in made.lines)
