"""What a plugin offers is looked at when it comes in; what goes wrong with it later is named."""

from __future__ import annotations

import logging
import warnings
from dataclasses import fields, replace
from pathlib import Path
from types import MappingProxyType

import pandas as pd
import pytest

from harness import Choice, Float, Int
from harness.plugin import validate
from harness.plugin.contracts import (
    OFFERS,
    Analysis,
    Catalogue,
    Dataset,
    Download,
    Metric,
    Optimizer,
    Report,
    Scheduler,
    Task,
)
from harness.plugin.meta import Meta
from harness.plugin.validate import RECORD_TABLES, check
from harness.records import FolderRecords
from harness.results import analysis, reports

OPTIMIZER = Optimizer(
    "mine", dict, {"lr": Float(1e-3, 1), "steps": Int(1, 3), "how": Choice(["a", 1, 0.5, True, None])}
)
METRIC = Metric(max, "max")
TASK = Task("mine", len, max, abs, {"accuracy": METRIC})
REPORT = Report("mine", "tar.gz", str)
CATALOGUE = Catalogue("backbone", "mine", str, list)


def choice(*values):
    with warnings.catch_warnings(action="ignore"):  # Optuna warns of such choices itself
        return {"x": Choice(values)}


def test_every_field_of_every_contract_has_a_rule():
    assert {each.name for type_ in (*OFFERS.values(), Catalogue, Metric) for each in fields(type_)} == set(
        validate._RULES
    )


NEEDY = replace(OPTIMIZER, build=lambda parameters, network, **settings: None, needs=("network", "examples"))


@pytest.mark.parametrize("offer", [OPTIMIZER, NEEDY, Scheduler("mine", dict), TASK, REPORT, CATALOGUE])
def test_nothing_is_wrong_with_what_keeps_its_contract(offer):
    assert check(offer) == ""


@pytest.mark.parametrize("kind", OFFERS)
def test_nothing_is_wrong_with_the_built_ins(registry, kind):
    assert [check(offer) for offer in registry.all(kind) if check(offer)] == []


@pytest.mark.parametrize("name", ["SGD", "resnet18.a1_in1k", "lr+wd", "2fast", "x" * 100])
def test_a_name_may_be(name):
    assert check(replace(OPTIMIZER, name=name)) == ""


@pytest.mark.parametrize(
    "name", [5, None, "", " a", "a b", "a\n", "a/b", "..", "<script>", "x" * 101, "é", "torch:Adam"]
)
def test_a_name_may_not_be(name):
    assert ": name must be up to 100 letters, digits and . _ + -, a letter or digit first, got " in check(
        replace(OPTIMIZER, name=name)
    )


@pytest.mark.parametrize(
    ("part", "value"),
    [("url", "ftp://a"), ("url", None), ("sha256", "abc"), ("sha256", None), ("files", {}), ("files", {1: 2})],
)
def test_a_download_must_be_whole(part, value):
    good = Dataset("mine", open, download=Download("https://a/b.tgz", {"train": 2}, sha256="0" * 64))
    assert check(good) == ""
    bad = replace(good, download=replace(good.download, **{part: value}))
    assert check(bad).startswith(f"dataset 'mine': download.{part} must be ")


def test_only_the_name_of_a_catalogues_find_may_have_a_colon():
    assert check(replace(OPTIMIZER, name="torch:Adam"), found=True) == ""
    assert check(replace(OPTIMIZER, name="torch/Adam"), found=True)


WRONG = [
    (OPTIMIZER, {"build": 5}, "build must be a function, got 5"),
    (OPTIMIZER, {"space": [1]}, "space must be a mapping with texts as keys, got [1]"),
    (OPTIMIZER, {"space": {1: 2}}, "space must be a mapping with texts as keys, got {1: 2}"),
    (OPTIMIZER, {"space": {"lr": (0, 1)}}, "space['lr'] must be a Float, Int or Choice, got (0, 1)"),
    (OPTIMIZER, {"space": {"lr": Float(0, float("inf"))}}, "space['lr'] must be finite at both ends, got Float"),
    (
        OPTIMIZER,
        {"space": choice("a", (0.9, 0.99))},
        "space['x'] must be a Choice of texts, numbers, True, False and None, got (0.9, 0.99); search its parts one by one",
    ),
    (
        OPTIMIZER,
        {"space": choice([1])},
        "space['x'] must be a Choice of texts, numbers, True, False and None, got [1]; ",
    ),
    (OPTIMIZER, {"defaults": None}, "defaults must be a mapping with texts as keys, got None"),
    (OPTIMIZER, {"closure": "no"}, "closure must be True or False, got 'no'"),
    (OPTIMIZER, {"resumes": 0}, "resumes must be True or False, got 0"),
    (OPTIMIZER, {"needs": ("model",)}, "needs must be some of network, total_steps, examples, got ('model',)"),
    (OPTIMIZER, {"needs": "network"}, "needs must be some of network, total_steps, examples, got 'network'"),
    (
        OPTIMIZER,
        {"build": lambda parameters, lr: None, "needs": ("network",)},
        "build must have an argument 'network', as needs says, got parameters, lr",
    ),
    (OPTIMIZER, {"reference": 1706}, "reference must be a text, got 1706"),
    (TASK, {"metrics": {}}, "metrics must be at least one Metric, got {}"),
    (TASK, {"metrics": {"a": max}}, "metrics['a'] must be a Metric, got <built-in function max>"),
    (TASK, {"metrics": {"a": Metric(max, "up")}}, "metrics['a'].goal must be 'min' or 'max', got 'up'"),
    (TASK, {"metrics": {"a": Metric(5, "max")}}, "metrics['a'].compute must be a function, got 5"),
    (TASK, {"loss": None}, "loss must be a function, got None"),
    (REPORT, {"extension": "../x"}, "extension must be up to 100 letters, digits"),
    (CATALOGUE, {"kind": "optimiser"}, "kind must be one of dataset, task"),
    (CATALOGUE, {"names": ["a"]}, "names must be a function, got ['a']"),
]


@pytest.mark.parametrize(("offer", "changes", "fault"), WRONG)
def test_what_is_wrong_is_said_in_one_line(offer, changes, fault):
    kind = type(offer).__name__.lower()
    found = check(replace(offer, **changes))
    assert found.startswith(f"{kind} 'mine': {fault}")
    assert "\n" not in found


def test_an_empty_space_does_not_import_optuna():
    import subprocess
    import sys

    code = "from harness import Optimizer; from harness.plugin.validate import RECORD_TABLES, check; print(check(Optimizer('a', dict, {}))); import sys; print('optuna' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.split() == ["False"]


# --- what goes wrong later: analyses and reports -------------------------------------------------------------


class Offers:
    """A registry of these analyses and reports."""

    def __init__(self, analyses, reports):
        self.analyses, self.reports = analyses, {each.name: each for each in reports}

    blocked = ()
    offers = MappingProxyType({"optimizer": {}, "scheduler": {}})  # no references

    def all(self, kind):
        return self.analyses

    def get(self, kind, name, type_, where):
        return self.reports[name]


class Empty(FolderRecords):
    """Records of nothing, which promise no files."""

    lacking = ()


META = Meta(benchmark={}, data={}, metrics={}, metric="", search_metric="", arms=(), spaces={})
EMPTY = Empty(Path(), META, *(pd.DataFrame() for _ in fields(FolderRecords)[2:]))


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Return a function that writes reports of empty records with these analyses and formats."""
    monkeypatch.setattr(reports, "open_records", lambda folder: EMPTY)
    return lambda analyses, formats: reports.write_reports(
        tmp_path, [report.name for report in formats], Offers(analyses, formats)
    )


def raises(results):
    raise ValueError("no luck")


PROBLEMS = Report("problems", "txt", lambda results: "\n".join(results.problems))


def test_an_analysis_without_a_table_is_a_problem():
    results = analysis.analyse(
        EMPTY, [Analysis("cost", lambda records: None), Analysis("size", lambda r: pd.DataFrame())]
    )
    (problem,) = results.problems
    assert problem == "analysis 'cost' failed: TypeError: compute() must return a pandas DataFrame, got NoneType"
    assert list(results.tables) == ["size"]


def test_a_table_that_parquet_cannot_hold_is_a_problem_and_loses_no_report(write, tmp_path):
    write([Analysis("odd", lambda records: pd.DataFrame({"x": [1, 2]}))], [PROBLEMS])
    assert pd.read_parquet(tmp_path / "tables" / "odd.parquet")["x"].tolist() == [1, 2]
    (text,) = write([Analysis("odd", lambda records: pd.DataFrame({"x": [1, "a", object()]}))], [PROBLEMS]).files
    assert text.read_text().startswith("table 'odd' must fit into Parquet, got Arrow")
    assert "\n" not in text.read_text()
    assert sorted(file.name for file in (tmp_path / "tables").iterdir()) == [
        f"{name}.parquet" for name in sorted(RECORD_TABLES)
    ]


def test_a_format_that_fails_does_not_lose_the_others(write, tmp_path):
    bad, worse = Report("bad", "bad", raises), Report("worse", "worse", lambda results: None)
    written = write([], [bad, PROBLEMS, worse])
    again = "; the records are whole: 'harness report' tries again"
    assert written.failures == (
        f"report 'bad': must render, got ValueError: no luck{again}",
        f"report 'worse': must render, got TypeError: render() must return a text, got NoneType{again}",
    )
    assert written.files == [tmp_path / "report.txt"]
    assert (tmp_path / "report.txt").exists()


def test_what_libraries_that_draw_have_to_say_stays_off_the_console(write, capsys):
    """Warnings are errors in these tests, so one that was let through would take the report down."""
    pyplot = logging.getLogger("matplotlib.font_manager")
    level = logging.getLogger("matplotlib").level

    def compute(records):
        warnings.warn("invalid value in log", RuntimeWarning, stacklevel=2)
        return pd.DataFrame()

    def draw(results):
        warnings.warn("Attempt to set non-positive ylim on a log-scaled axis will be ignored.", stacklevel=2)
        pyplot.warning("findfont: no such font")
        return " ".join(results.problems)

    (file,) = write([Analysis("noisy", compute)], [Report("noisy", "txt", draw)]).files
    assert file.read_text(encoding="utf-8") == ""
    assert capsys.readouterr() == ("", "")
    assert logging.getLogger("matplotlib").level == level
    with pytest.warns(RuntimeWarning):
        compute(None)
