"""Everything right, or nothing: no report of such a run shows an interval without a width, or one that leaves 0 to 100 %.

Three seeds that are right about all of 70 photos do not know the accuracy exactly: up to 5.1 % wrong is compatible with it.
"""

from __future__ import annotations

import html as html_lib
import io
import json
import re
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from harness_reports import html, markdown
from harness_reports._words.facets import estimate_text
from scipy import stats

import harness
from harness import Deciding
from harness.cli.app import main
from harness.cli.compare import lines
from harness.plugin.discovery import discover
from harness.records import open_records, schema
from harness.records.store import save_arrays
from harness.results.analysis import analyse
from harness.results.several import open_several
from harness.statistics.proportions import clopper_pearson, detectable_share

PHOTOS, SEEDS, ARMS = 70, 3, 2
LEVELS = {"ceiling": 1.0, "floor": 0.0, "between": 63 / PHOTOS}
UP_TO = float(clopper_pearson(0, PHOTOS)[1])  # .0513
NUMBER = r"([-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?)"
INTERVALS = re.compile(rf"(?<![\w.-]){NUMBER} to {NUMBER}(?: (%|points))?|\[{NUMBER}, {NUMBER}\](?: (%|points))?")


@pytest.fixture(scope="module", params=LEVELS)
def level(request: Any) -> float:
    return LEVELS[request.param]


@pytest.fixture(scope="module")
def folder(written_records: Any, tmp_path_factory: Any, level: float) -> Path:
    """Return a run of which every seed of every arm, and every trial, is right about the same photos."""
    where: Path = tmp_path_factory.mktemp("runs") / "made-up"
    written_records(where, trials=4 * ARMS, epochs=6, arms=ARMS, seeds=SEEDS, tested=PHOTOS)
    db = sqlite3.connect(where / "run.db")

    def changed(text: str) -> str:
        of = {"accuracy": level, "error": 1 - level}
        return json.dumps({name: of.get(name.split("_")[-1], value) for name, value in json.loads(text).items()})

    db.create_function("changed", 1, changed)
    for table in ("runs", "epochs"):
        db.execute(f"UPDATE {table} SET metrics = changed(metrics)")
    db.execute("UPDATE asks SET value = ? WHERE value IS NOT NULL", (level,))
    db.execute("UPDATE searches SET tuned_value = ?", (level,))
    done = [row[0] for row in db.execute("SELECT run_id FROM runs WHERE phase = 'compare'")]
    db.commit()
    db.close()
    right = np.arange(PHOTOS) < round(level * PHOTOS)
    targets = np.arange(PHOTOS) % 2
    said = np.where(right, targets, 1 - targets)
    save_arrays(schema.targets(where), {"targets": targets})
    for run in done:
        save_arrays(schema.prediction(where, run), {"predictions": np.eye(2, dtype=np.float32)[said] * 0.8 + 0.1})
    save_arrays(schema.scores(where), {run: right.astype(np.uint8) for run in done})
    return where


@pytest.fixture(scope="module")
def results(folder: Path) -> harness.Results:
    return analyse(open_records(folder), discover().all("analysis"))


def shown(text: str) -> Iterator[tuple[float, float, str]]:
    """Yield the intervals of a text, and their unit where it stands there."""
    for found in INTERVALS.finditer(text):
        low, high, unit = (group for group in (found.groups()[:3] if found[1] else found.groups()[3:]))
        yield *(float(end.replace(",", "")) for end in (low, high)), unit or ""


def read(page: str) -> str:
    """Return what a reader of a page reads, its tables' cells apart."""
    page = re.sub(r"<(script|style|svg|pre).*?</\1>", " ", page, flags=re.DOTALL)
    return html_lib.unescape(re.sub(r"<[^>]*>", " | ", page)).replace("\u00a0", " ").replace("\N{MINUS SIGN}", "-")


@pytest.fixture(scope="module")
def said(folder: Path, results: harness.Results, undrawing: Any) -> dict[str, str]:
    """Return everything that is said of the run, by format."""
    with undrawing():
        return everything_said(folder, results)


def everything_said(folder: Path, results: harness.Results) -> dict[str, str]:
    found = {offer.name: offer.render(results) for offer in discover().all("report")}
    found["html"] = read(found["html"])
    found["latex"] = found["latex"].replace("{[}", "[").replace("{]}", "]").replace("$-$", "-").replace("{-}", "-")
    found["md"] = found["md"].replace("\\", "")
    found["notebook"] = read(harness.load(folder)._repr_html_())
    again = shutil.copytree(folder, folder.parent / "again")
    several = open_several([folder, again])
    found |= {"compare": "\n".join(lines(several)), "compare page": read(html.render_several(several))}
    found["compare md"] = markdown.render_several(several).replace("\\", "")
    with pytest.raises(SystemExit), redirect_stdout(io.StringIO()) as printed:
        main(["show", str(folder)])
    found["show"] = printed.getvalue()
    return {name: text.replace("\N{MINUS SIGN}", "-") for name, text in found.items()}


def test_no_format_shows_an_interval_without_a_width_or_beyond_what_can_be(
    results: harness.Results, said: dict[str, str]
) -> None:
    assert not [problem for problem in results.problems if "failed" in problem]
    seen = 0
    for name, text in said.items():
        for low, high, unit in shown(text):
            seen += 1
            assert low < high, (name, low, high, unit)
            if unit:
                least = 0 if unit == "%" else -100
                assert least <= low, (name, low, high)
                assert high <= 100, (name, low, high)
        assert "0.00 points behind" not in text, name
        assert not re.search(r"could detect[^.]*is (0\.00|less)", text), name
        assert "nan" not in re.findall(r"[\[ (]nan\b", text), name
    assert seen > 20


def test_the_verdict_says_that_all_replicates_are_equal_and_names_no_interval(results: harness.Results) -> None:
    facets = results.tables["facets"]
    (equal,) = facets[(facets["measure"] == "accuracy") & facets["primary"]].to_dict("records")
    assert (equal["low"], equal["high"]) == (0.0, 0.0)
    assert estimate_text(equal) == "0.00 points, the same in every replicate"


def test_no_table_has_an_interval_without_a_width_or_beyond_what_can_be(results: harness.Results) -> None:
    seen = set()
    for name, table in results.tables.items():
        for column in (c for c in table.columns if c == "low" or c.endswith("_low")):
            low, high = (table[each].to_numpy(dtype=float) for each in (column, column.replace("low", "high")))
            known = np.isfinite(low) & np.isfinite(high)
            seen |= {name} if known.any() else set()
            if name in ("regions", "targets", "reached"):  # ranges of rates and of times
                continue
            if name == "facets":  # over seeds, given these photos; where all are equal the reports say so instead
                assert (low[known] <= high[known]).all()
                continue
            assert (low[known] < high[known]).all(), (name, column)
            share = table["unit"].eq("%").to_numpy() if "unit" in table else np.zeros(len(table), bool)
            if name == "curves":
                share = table["metric"].str.contains("accuracy|error").to_numpy()
            inside = known & (share | (name in ("budget", "duels", "calibration")))
            assert (low[inside] >= (-1 if name in ("lead", "differences") else 0)).all(), (name, column)
            assert (high[inside] <= 1).all(), (name, column)
    assert {"leaderboard", "lead", "curves", "budget", "duels", "winner", "calibration"} <= seen


def test_the_intervals_are_those_of_so_many_photos(results: harness.Results, level: float) -> None:
    board = results.tables["leaderboard"]
    rows = board[board["metric"] == "test_accuracy"]
    low, high = map(float, clopper_pearson(level, PHOTOS))
    assert rows["low"].tolist() == pytest.approx([low] * ARMS)
    assert rows["high"].tolist() == pytest.approx([high] * ARMS)
    assert set(rows["covers"]) == {"test examples"}
    wrong = board[board["metric"] == "test_error"]
    assert wrong["low"].tolist() == pytest.approx([1 - high] * ARMS)
    assert set(board.loc[board["metric"] == "train_accuracy", "covers"]) == {""}  # what was trained on is no sample
    for row in results.tables["lead"].to_dict("records"):
        assert (row["lead"], row["low"], row["high"]) == (0, pytest.approx(-UP_TO), pytest.approx(UP_TO))
        assert row["detectable"] == pytest.approx(detectable_share(PHOTOS, 0.8))
        assert (row["covers"], row["examples"]) == ("test examples", PHOTOS)
    best = results.tables["winner"].iloc[0]
    assert (best["expected"], best["low"], best["high"]) == pytest.approx((level, low, high), abs=0.03)
    assert "test examples" in best["covers"]
    last = results.tables["budget"].groupby("arm").last()
    of_tune = tuple(map(float, clopper_pearson(level, 512)))
    assert last[["low", "high"]].to_numpy() == pytest.approx(np.array([of_tune] * ARMS))


def test_equal_arms_are_called_equal_and_share_a_place(said: dict[str, str]) -> None:
    for name in ("text", "md", "html", "show"):
        assert "have the same mean test accuracy" in said[name], name
        assert "has the highest mean" not in said[name], name
    ranks = {line.split(",")[1] for line in said["csv"].splitlines()[1:]}
    assert ranks == {"1"}


@pytest.mark.parametrize(("counts", "lead"), [((69, 68), 1 / 70), ((70, 66), 4 / 70)])
def test_a_few_photos_are_no_lead_whatever_the_seeds_say(
    make_records: Callable[..., Any], scored: Callable[..., Any], tmp_path: Path, counts: tuple[int, int], lead: float
) -> None:
    """Every seed agrees on them, and still a sign test of so few photos could tell nothing."""
    from harness_plugins.analyses.scores.lead import compute

    records = make_records(["sgd", "adam"], seeds=8)
    hits = {"lesson_cnn/sgd/cosine": counts[0], "lesson_cnn/adam/cosine": counts[1]}
    scores = {run.run_id: (np.arange(70) < hits[run.arm]).astype(float) for run in records.runs.itertuples()}
    (row,) = compute(scored(records, tmp_path, scores)).to_dict("records")
    assert row["lead"] == pytest.approx(lead)
    assert row["low"] <= -UP_TO
    assert row["high"] >= float(clopper_pearson(lead, 70)[1])
    assert row["detectable"] >= detectable_share(70, 0.8)
    assert row["covers"] == ("seeds and test examples")


def test_arms_that_never_agree_have_a_width_too(make_records: Any, scored: Any, tmp_path: Path) -> None:
    from harness_plugins.analyses.scores.lead import compute

    records = make_records(["sgd", "adam"], seeds=2)
    scores = {run.run_id: np.full(70, float("sgd" in run.arm)) for run in records.runs.itertuples()}
    (row,) = compute(scored(records, tmp_path, scores)).to_dict("records")
    assert row["lead"] == 1
    assert 0.8 < row["low"] < 1 == row["high"]


class Counted:
    """As much of records as the lead's interval needs: 70 photos, and an accuracy that is a mean over them."""

    deciding = Deciding("accuracy", "max", "%")
    meta = SimpleNamespace(planned_replicates=1)

    def bounds_of(self, column: str) -> tuple[float, float]:
        return 0.0, 1.0

    def examples_of(self, column: str) -> int:
        return PHOTOS


@pytest.mark.parametrize("seeds", [2, 8])
@pytest.mark.parametrize("hard", [(0.0, 0.01), (0.0, 0.02), (0.02, 0.03), (0.0, 0.1)])
def test_near_the_ceiling_the_lead_is_held_as_often_as_it_says(seeds: int, hard: tuple[float, float]) -> None:
    """Some photos are hard for the one arm, some for the other, and wrong nine times in ten; all others are always right.

    With Student's interval alone 52 % held the truth where one photo in a hundred is hard.
    """
    from harness.results.tables.two_arms import certainty_of
    from harness.statistics.crossed import over_both

    random, draws, held = np.random.default_rng(0), 300, 0
    truth = 0.9 * (hard[1] - hard[0])
    for _ in range(draws):
        kind = random.choice(3, PHOTOS, p=[*hard, 1 - sum(hard)])
        one, other = ((kind != arm) | (random.uniform(size=(seeds, PHOTOS)) < 0.1) for arm in (0, 1))
        table = one.astype(float) - other
        values = [list(each.mean(axis=1)) for each in (one, other)]
        found = certainty_of(Counted(), over_both(table), table, *values)  # type: ignore[arg-type]
        held += found.low <= truth <= found.high
    assert held >= stats.binom.ppf(0.001, draws, 0.95)


def test_one_wrong_answer_in_eight_seeds_leaves_the_winner_as_unsure_as_its_photos(
    make_records: Any, scored: Any, tmp_path: Path
) -> None:
    from harness.results.tables.winner import compute

    records = make_records(["sgd"], seeds=8)
    records.meta.data["counts"]["test"] = PHOTOS
    records.runs["tune_accuracy"] = 1.0
    scores = {run.run_id: np.arange(PHOTOS) >= (run.seed == 3) for run in records.runs.itertuples()}
    best = compute(scored(records, tmp_path, scores)).iloc[0]
    mean = 1 - 1 / (8 * PHOTOS)
    assert best["expected"] == pytest.approx(mean)
    assert best["low"] <= float(clopper_pearson(mean, PHOTOS)[0])
    assert (best["high"], best["covers"]) == (1, "seeds and test examples")
