"""Is mine better than adam? The same answer from ``harness show --against``, its JSON, ``run.against`` and the page."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from harness.cli.app import main
from harness.errors import HarnessError
from harness.plugin.discovery import discover
from harness.results.document import describe_results, result_lines
from harness.results.notebook import Loaded
from harness.results.reports import results_of

ARM, OTHER = "lesson_cnn/optimizer-1/cosine", "lesson_cnn/optimizer-0/cosine"


@pytest.fixture(scope="module")
def folder(written_records: Any, tmp_path_factory: Any) -> Any:
    folder = tmp_path_factory.mktemp("runs") / "run"
    written_records(folder, trials=12, epochs=3, arms=3, seeds=4, tested=16)
    return folder


@pytest.fixture(scope="module")
def results(folder: Any) -> Any:
    return results_of(folder, discover())


def show(capsys: Any, *words: Any) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["show", *map(str, words)])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_the_console_the_document_and_python_say_the_same(folder: Any, results: Any, capsys: Any) -> None:
    _, out, _ = show(capsys, folder, "--against", "optimizer-1")
    document = json.loads(show(capsys, folder, "--against", "optimizer-1", "--json")[1])["against"]
    frame = Loaded(results.records, discover()).against("optimizer-1")
    assert document["references"] == [ARM]
    assert len(document["arms"]) == 2
    said = [text for text in frame["sentence"] if text]
    assert [arm["sentence"] for arm in document["arms"]] == said
    assert all(text in out for text in (*said, *document["remarks"]))
    assert set(frame["reference"]) == {ARM}
    wanted = frame[frame["measure"] == "test_accuracy"].to_dict("records")
    rows = [row for row in document["rows"] if row["measure"] == "test_accuracy"]
    for row, expected in zip(rows, wanted, strict=True):
        assert {name: expected[name] for name in row} == row


def test_without_a_name_there_is_no_comparison_on_the_console(folder: Any, capsys: Any) -> None:
    assert "against" not in json.loads(show(capsys, folder, "--json")[1])


def test_a_wrong_name_is_refused_before_anything_is_computed(folder: Any, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("harness.results.reports.results_of", lambda *_: pytest.fail("computed all the same"))
    code, _, err = show(capsys, folder, "--against", "optimizer-11")
    assert code == 2
    assert re.search(r"--against: must be an arm of the run, got 'optimizer-11'; did you mean 'optimizer-1'\?", err)


@pytest.mark.parametrize("wrong", ["none such", 3])
def test_python_names_its_own_argument(folder: Any, results: Any, wrong: Any) -> None:
    with pytest.raises((HarnessError, TypeError), match=r"^reference: must be "):
        Loaded(results.records, discover()).against(wrong)


def test_a_run_ends_with_what_the_file_asks_for(results: Any) -> None:
    results.records.meta.benchmark.setdefault("report", {})["against"] = "optimizer-0"
    try:
        document = describe_results(results.records, discover(), results)
    finally:
        del results.records.meta.benchmark["report"]["against"]
    assert document["against"]["references"] == [OTHER]
    ending = " ".join(line.strip() for line in result_lines(document))
    assert all(arm["sentence"] in ending for arm in document["against"]["arms"])
    assert document["against"]["remarks"]
    assert all(remark in ending for remark in document["against"]["remarks"])


def test_without_the_plugins_of_its_tables_it_is_the_same(folder: Any, results: Any) -> None:
    registry = discover(block=["differences", "alarms", "verdict", "facets", "gate"])
    frame = Loaded(results.records, registry).against("optimizer-1")
    assert frame.equals(Loaded(results.records, discover()).against("optimizer-1"))
