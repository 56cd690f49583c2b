"""The HTML report: complete, harmless, self-contained, and the same twice."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from collections import Counter
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pandas as pd
import pytest
from harness_reports import html
from harness_reports._words.benchmark import training_precision
from harness_reports._words.columns import shown_metrics
from harness_reports._words.names import arm_labels, shared_parts
from harness_reports._words.notices import notices
from harness_reports._words.outcome import Outcome
from harness_reports._words.ranges import read_range

from harness import Results
from harness.console.numbers import (
    NOTHING,
    difference,
    difference_interval,
    duration,
    interval,
    measure,
    number,
    plain,
)
from harness.verdict.tuning import judge_tuning

SGD = "lesson_cnn/sgd/cosine"
HOSTILE = ["<script>alert(1)</script>", "$x_1$ \" onload='x' url(#y)", "L" * 300, "\U0001f980 & {{ 7*7 }}", "_hidden"]


class Page(HTMLParser):
    """Every tag with its attributes, and all text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {key: value or "" for key, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def policy(self) -> str:
        return next(about["content"] for _, about in self.tags if about.get("http-equiv") == "Content-Security-Policy")

    def values(self, attribute: str) -> list[str]:
        return [about[attribute] for _, about in self.tags if attribute in about]

    @property
    def text(self) -> str:
        return "".join(self.texts).replace("\u00a0", " ")


def marks(text: str, group: str) -> int:
    """Return how many marks a group of a figure has."""
    found = re.search(rf'<g id="{group}">(.*?)</g></g>', re.sub(r">\s+<", "><", text), re.DOTALL)
    return found[1].count("<use ") if found else 0


def cases(make_records: Any, spoiled: Any) -> dict[str, Any]:
    return {
        "plain": make_records(),
        "thirteen arms": make_records([f"optimizer_{i}" for i in range(13)], seeds=2, epochs=2, trials=2),
        "one arm, one seed": make_records(["sgd"], seeds=1),
        "one epoch": make_records(seeds=2, epochs=1),
        "search only": make_records(compared=False),
        "an arm failed": spoiled(make_records(seeds=2), SGD, range(2), "failed"),
        "all failed": spoiled(make_records(["sgd"], seeds=2), SGD, range(2)),
        "regression": make_records(metrics={"mse": {"goal": "min", "unit": ""}, "r2": {"goal": "max", "unit": ""}}),
        "no trial yet": _without_trials(make_records(compared=False)),
        "hostile": make_records(HOSTILE, seeds=2),
    }


def _without_trials(records: Any) -> Any:
    return replace(records, trials=records.trials.iloc[:0])


@pytest.fixture(scope="module")
def pages(make_records: Any, spoiled: Any, analysed: Any) -> dict[str, str]:
    return {name: html.render(analysed(records)) for name, records in cases(make_records, spoiled).items()}


NAMES = [
    "plain", "thirteen arms", "one arm, one seed", "one epoch", "search only", "an arm failed",
    "all failed", "regression", "no trial yet", "hostile",
]  # fmt: skip


def test_same_input_same_bytes(make_records: Any, analysed: Any, pages: dict[str, str]) -> None:
    assert html.render(analysed(make_records())) == pages["plain"]


@pytest.mark.parametrize("name", NAMES)
def test_page_needs_nothing_from_outside(pages: dict[str, str], name: str) -> None:
    page = Page(pages[name])
    tags = Counter(tag for tag, _ in page.tags)
    assert not {"link", "img", "iframe", "object", "form", "image", "base"} & set(tags)
    assert not page.values("src")
    assert all(target.startswith("#") for target in page.values("href"))
    names_alone = pages[name].replace("http://www.w3.org/2000/svg", "")  # of a namespace: nothing is fetched from it
    assert not re.search(r"https?://|//[a-z]+\.[a-z]|@import", names_alone)
    assert "default-src 'none'" in page.policy
    assert not any(key.startswith("on") for _, about in page.tags for key in about)


@pytest.mark.parametrize("name", NAMES)
def test_policy_lets_the_pages_own_script_and_plotly_run_and_nothing_else(pages: dict[str, str], name: str) -> None:
    policy = Page(pages[name]).policy
    allowed = re.search(r"script-src ([^;]*);", policy)[1].split()
    running = re.findall(r"<script>(.*?)</script>", pages[name], re.DOTALL)
    packed = re.search(r'<script type="text/plain" id="plotly">(.*?)</script>', pages[name], re.DOTALL)
    unpacked = [gzip.decompress(base64.b64decode(packed[1])).decode()] if packed else []
    assert len(running) == 1
    assert allowed == [f"'sha256-{_sha256(script)}'" for script in (*running, *unpacked)]
    assert pages[name].count("<script") == 2 + 2 * bool(packed)  # trials and script, views and plotly


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_carries_its_data(pages: dict[str, str], name: str) -> None:
    figures = re.findall(r'<svg [^>]*role="img".*?</svg>', pages[name], re.DOTALL)
    for figure in figures:
        table = json.loads(unescape(re.search(r"<metadata>(.*?)</metadata>", figure, re.DOTALL)[1]))
        assert all(len(row) == len(table["columns"]) for row in table["rows"])
    assert len(figures) == pages[name].count("<metadata>")
    assert bool(figures) == (name != "no trial yet")


def test_data_of_a_figure_are_what_it_shows(make_records: Any, pages: dict[str, str]) -> None:
    runs = make_records().compared()
    table = json.loads(re.search(r"<metadata>(.*?)</metadata>", pages["plain"], re.DOTALL)[1])
    assert table["columns"] == ["arm", "seed", "test_accuracy"]
    assert [row[2] for row in table["rows"]] == pytest.approx(runs["test_accuracy"].tolist(), rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_ids_are_unique_and_references_lead_somewhere(pages: dict[str, str], name: str) -> None:
    page = Page(pages[name])
    ids = Counter(page.values("id"))
    assert [key for key, many in ids.items() if many > 1] == []
    clips = [found for value in page.values("clip-path") for found in re.findall(r"url\(#([^)]*)\)", value)]
    assert {*(target[1:] for target in page.values("href")), *clips} <= set(ids)


@pytest.mark.parametrize("name", NAMES)
def test_neutral_colours_are_the_pages_own(pages: dict[str, str], name: str) -> None:
    assert "#0a0b0" not in pages[name]


def test_hostile_names_stay_text(pages: dict[str, str]) -> None:
    page = Page(pages["hostile"])
    for name in HOSTILE[:2] + HOSTILE[3:]:
        assert page.texts.count(name) >= 3, name  # in the tables and as a label of the figures
    assert "L" * 300 in "".join(page.values("title"))
    assert "49" not in [text.strip() for text in page.texts]


def test_every_seed_is_a_dot(pages: dict[str, str]) -> None:
    assert [marks(pages["plain"], f"seeds-train_accuracy-seeds-{place}") for place in range(3)] == [8, 8, 8]
    assert marks(pages["an arm failed"], "seeds-train_accuracy-seeds-2") == 0
    assert "seeds-train_accuracy" not in pages["one arm, one seed"]  # a figure of one number says nothing


def test_every_trial_is_a_mark(make_records: Any, pages: dict[str, str]) -> None:
    trials = make_records().trials
    for arm in dict.fromkeys(trials["arm"]):
        name = f"learning-rate-{arm.replace('/', '-')}"
        states = trials.loc[trials["arm"] == arm, "state"].value_counts()
        assert marks(pages["plain"], f"{name}-trials") == states["done"]
        assert marks(pages["plain"], f"{name}-diverged") == states.get("diverged", 0)
        assert marks(pages["plain"], f"{name}-chosen") == 1


def test_percent_is_times_100_and_nats_are_not(make_records: Any, pages: dict[str, str]) -> None:
    runs = make_records().runs
    mine = runs[runs["arm"] == SGD]
    text = Page(pages["plain"]).text
    assert f"{100 * mine['test_accuracy'].mean():.2f} %" in text
    assert f"{mine['test_loss'].mean():#.3g}" in text


def test_error_beside_accuracy_is_no_column(make_records: Any, analysed: Any) -> None:
    records = make_records()
    shown = shown_metrics(records, analysed(records).tables["leaderboard"])
    assert shown == ["test_accuracy", "test_loss", "train_accuracy", "train_loss", "seconds"]


def test_first_screen_says_what_data_these_are(make_records: Any, pages: dict[str, str]) -> None:
    text = pages["plain"]
    assert text.index(make_records().meta.data["notice"]) < text.index('class="answer"') < text.index("<table")
    assert "1,024 train" in text
    assert "512 tune, 4,096 test" in text


def test_same_minimum_is_said_to_be_untested(pages: dict[str, str]) -> None:
    untested = [name for name in NAMES if "Not tested yet: whether the arms reached the same" in Page(pages[name]).text]
    of_one_arm, of_none = ("one arm, one seed", "all failed"), ("search only", "no trial yet")  # which have a score
    assert untested == [name for name in NAMES if name not in of_one_arm + of_none]


@pytest.mark.usefixtures("undrawn")
def test_nothing_fails_quietly(make_records: Any, spoiled: Any, analysed: Any) -> None:
    records = spoiled(make_records(seeds=4), SGD, [1, 2], "failed", "out of memory")
    records = replace(records, runs=records.runs[records.runs["run_id"] != "lesson_cnn-adam-cosine-3"])
    records = replace(records, trials=records.trials[records.trials["number"] < 11])
    records.runs.loc[records.runs["seed"] == 0, "environment"] = "another"
    records.runs.loc[records.runs["run_id"] == "lesson_cnn-rmsprop-cosine-0", "test_loss"] = np.inf
    records.meta.data["left_out"] = ["a.jpg: truncated"]
    unrepeatable = {"a": ["kthvalue"], "b": ["cumsum", "kthvalue"]}
    tested = {"tensors": {"0.weight": "filter"}, "groups": [], "problem": "", "l2": 1e-4, "l2_on": "not_scale_free"}
    meta = replace(records.meta, broken_plugins={"lion": "no module named 'lion'"}, unrepeatable=unrepeatable)
    meta = replace(meta, scale_free={"lesson_cnn": tested})
    records = replace(records, meta=meta)
    records.arms.at[0, "tuned_params"] = {"lr": 0.99, "momentum": 0.9}
    results = replace(analysed(records), problems=("analysis 'mine' failed: oops",))
    said = "\n".join(notice.text for notice in notices(Outcome(results)))
    page = Page(html.render(results)).text
    for text in (
        "analysis 'mine' failed: oops",
        "sgd: 2 of 4 seeds failed: out of memory",
        "lesson_cnn: the L2 is not on tensors whose scales change no output (0.weight)",
        "adam: 1 of 4 seeds not run yet",
        "adam: 1 of 12 trials not run yet",
        "Trials that diverged: ",
        "sgd: the tuned learning rate lies in the outer tenth of the searched range",
        "rmsprop: 1 of 4 seeds without a finite value of test loss",
        "1 unreadable example left out: a.jpg: truncated",
        "Plugin lion could not be loaded and was left out: no module named 'lion'",
        "2 environments",
        "2 runs cannot be repeated to the last bit: on this GPU, cumsum and kthvalue have no deterministic form.",
    ):
        assert text in said
        assert text in page


def test_a_rate_at_the_edge_is_no_doubt_where_the_alarm_for_it_was_judged_and_is_quiet(
    make_records: Any, analysed: Any
) -> None:
    records = make_records(["sgd", "adam"])
    records.arms.at[0, "tuned_params"] = {"lr": 0.99, "momentum": 0.9}
    results, doubts = analysed(records), {}
    for state in ("not judged", "quiet"):
        judged = judge_tuning(records, None).assign(state=state)
        told = notices(Outcome(replace(results, tables={**results.tables, "alarms": judged})))
        doubts[state] = [notice.text for notice in told if "in the outer tenth of" in notice.text]
    assert (len(doubts["not judged"]), doubts["quiet"]) == (1, [])


@pytest.mark.usefixtures("undrawn")
def test_page_without_any_analysis_says_so(make_records: Any) -> None:
    text = html.render(Results(make_records(), {}, ("analysis 'leaderboard' failed: oops",)))
    assert "analysis &#39;leaderboard&#39; failed: oops" in text
    assert "No leaderboard." in text


@pytest.mark.usefixtures("undrawn")
def test_table_of_another_analysis_is_shown(make_records: Any, analysed: Any) -> None:
    results = analysed(make_records(seeds=2))
    mine = pd.DataFrame({"pair": ["sgd <-> adam"], "p": [0.0123456]})
    page = Page(html.render(replace(results, tables={**results.tables, "mine": mine})))
    assert {"mine", "sgd <-> adam", "0.0123"} <= set(page.texts)


def test_numbers_at_the_end_of_the_scale_are_drawn(make_records: Any, analysed: Any) -> None:
    records = make_records(["sgd"], seeds=3, metrics={"mse": {"goal": "min", "unit": ""}})
    records.runs["test_mse"] = [1e-300, 1.0, 1e300]
    records.trials.loc[records.trials["state"] == "done", "value"] = 1e300
    records.trials.at[0, "value"] = -1e300
    assert marks(html.render(analysed(records)), "seeds-train_mse-seeds-0") == 3


def test_equal_labels_are_told_apart(make_records: Any) -> None:
    labels = arm_labels(make_records(["a" * 100 + "x" + "a" * 100, "a" * 100 + "y" + "a" * 100], seeds=1))
    assert len(set(labels.values())) == 2


def test_labels_name_only_what_differs(make_records: Any) -> None:
    both = make_records(["sgd", "adam"], seeds=1, schedulers=["cosine", "constant"])
    assert list(arm_labels(both).values()) == ["sgd/cosine", "sgd/constant", "adam/cosine", "adam/constant"]
    assert shared_parts(both) == "network lesson_cnn"
    assert shared_parts(make_records(seeds=1)) == "network lesson_cnn and scheduler cosine"


def with_heads(records: Any, heads: dict[str, str]) -> Any:
    """Return the records with each optimizer's backbone frozen and this head on it."""

    def named(arm: str) -> str:
        return arm.replace("/", f"+{heads[arm.split('/')[1]]}/", 1)

    tables = {name: getattr(records, name) for name in ("arms", "trials", "runs", "epochs")}
    spaces = {named(arm): space for arm, space in records.meta.spaces.items()}
    meta = replace(records.meta, arms=list(spaces), spaces=spaces)
    return replace(records, meta=meta, **{k: t.assign(arm=t["arm"].map(named)) for k, t in tables.items()})


@pytest.mark.usefixtures("undrawn")
def test_a_network_is_named_with_its_head(make_records: Any, analysed: Any) -> None:
    same = with_heads(make_records(["sgd", "adam"], seeds=2), {"sgd": "linear", "adam": "linear"})
    assert shared_parts(same) == "network lesson_cnn+linear and scheduler cosine"
    assert "network lesson_cnn+\u200blinear" in Page(html.render(analysed(same))).text
    other = with_heads(make_records(["sgd", "adam"], seeds=2), {"sgd": "linear", "adam": "mlp"})
    assert list(arm_labels(other).values()) == ["linear/sgd", "mlp/adam"]
    assert shared_parts(other) == "backbone lesson_cnn and scheduler cosine"


@pytest.mark.usefixtures("undrawn")
def test_precision_is_that_of_the_runs(make_records: Any, analysed: Any) -> None:
    records = make_records(seeds=2)  # on a device that would train in bf16
    records.runs["precision"] = "fp32"
    text = Page(html.render(analysed(records))).text
    assert "fp32, 2 threads" in text
    assert "bf16" not in text
    records.runs.loc[0, "precision"] = "bf16"
    assert training_precision(records) == "bf16 and fp32"
    assert training_precision(make_records(compared=False)) == "bf16"  # as planned


@pytest.mark.parametrize(
    ("value", "unit", "width", "expected"),
    [
        (0.89834, "%", 0.01, "89.83"),
        (0.89834, "%", 0.0002, "89.83"),
        (0.8983412, "%", 0.00002, "89.834"),
        (1.0, "%", 0.00002, "100.000"),
        (0.89834, "%", 0.0, "89.83"),
        (0.25, "nats", 0.1, "0.250"),
        (1.00213, "", 0.004, "1.002"),
        (1.00213, "", 0.0, "1.00"),
        (12345.6, "s", 100.0, "12,346"),
        (0.0, "", float("nan"), "0"),
        (float("nan"), "%", 0.1, NOTHING),
        (None, "", 0.1, NOTHING),
        (1e-300, "", 1e300, "< 0.0001"),
        (2.5e9, "", float("nan"), "2.50 × 10⁹"),
        (-1.5, "nats", 0.1, "−1.50"),
        (0.06741029, "nats", 2e-8, "0.067410"),
    ],
)
def test_digits(value: Any, unit: str, width: float, expected: str) -> None:
    assert plain(value, unit, width) == expected


def test_a_difference_too_small_to_show_is_not_shown_as_zero() -> None:
    assert [difference(value, "%") for value in (0.0, 4e-5, -4e-5, 6e-5, -6e-5)] == [
        "0.00 points", "less than 0.01 points", "less than 0.01 points", "0.01 points", "−0.01 points",
    ]  # fmt: skip
    assert difference(4e-5, "nats") == "< 0.0001 nats"
    assert difference_interval(float("nan"), float("nan"), "%") == ""


def test_words() -> None:
    assert measure(0.5, "%") == "50.00 %"
    assert interval(0.1, 0.2, "nats") == "0.10 to 0.20 nats".replace("0.10", "0.100").replace("0.20", "0.200")
    assert interval(float("nan"), float("nan"), "%") == ""
    assert number(7) == "7"
    assert [duration(s) for s in (4.2, 200, 7500)] == ["4.20 s", "3 min 20 s", "2 h 5 min"]


@pytest.mark.parametrize(
    ("said", "low", "value", "position"),
    [
        ({"low": 0.01, "high": 1.0, "log": True}, 0.01, 0.1, 0.5),
        ({"low": 4, "high": 12, "log": False}, 4, 12, 1.0),
        ({"choices": [False, "a,b)"]}, None, "a,b)", None),
        ({"fixed": 0.9}, None, 0.9, None),
    ],
)
def test_ranges_are_read(said: dict[str, Any], low: Any, value: Any, position: Any) -> None:
    found = read_range(said)
    assert found.low == low
    assert found.position(value) == (None if position is None else pytest.approx(position))
