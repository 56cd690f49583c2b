"""The interactive views: harmless text, short numbers, and Optuna's own plots of the recorded searches."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import numpy as np
import pytest
from harness_plugins.analyses.search import importances
from harness_reports._draw import explore, searches
from harness_reports._draw.arm_styles import arm_looks
from harness_reports._draw.interactive import NEEDS_EVAL, Views, digest, embedded, packed
from harness_reports._words.outcome import Outcome
from markupsafe import Markup

from harness import Results
from harness.results.analysis import analyse

HOSTILE = '</script><b a="1">& \u2028'
SGD = "lesson_cnn/sgd/cosine"


def outcome_of(records: Any) -> Outcome:
    """Return records alone, without an analysis, as a report reads them."""
    return Outcome(Results(records, {}))


def test_text_is_text_and_markup_is_plotlys() -> None:
    views = Views()
    views.add("t", [{"type": "scatter", "name": HOSTILE, "hovertemplate": Markup("%{x}<br>")}])
    (figure,) = json.loads(views.json)
    assert figure["data"][0]["name"] == "&lt;/script&gt;&lt;b a=&#34;1&#34;&gt;&amp; \u2028"
    assert figure["data"][0]["hovertemplate"] == "%{x}<br>"
    assert not set("<>&\u2028") & set(views.json)


def test_embedded_json_cannot_end_its_script() -> None:
    assert json.loads(embedded([HOSTILE])) == [HOSTILE]
    assert "</" not in embedded([HOSTILE])


def test_numbers_are_short_and_finite() -> None:
    views = Views()
    views.add("t", [{"type": "scatter", "x": np.array([1 / 3, np.nan, np.inf]), "y": [1, True, None]}])
    assert json.loads(views.json)[0]["data"][0] == {"type": "scatter", "x": [0.33333, None, None], "y": [1, True, None]}


def test_a_view_is_closed_until_it_is_opened_and_names_are_escaped() -> None:
    views = Views()
    assert views.add("nothing", []) == ""
    view = views.add(HOSTILE, [{"type": "surface", "z": [[1, 2], [3, 4]]}], {"scene": {}}, HOSTILE)
    assert len(views) == 1
    assert view.startswith('<details class="explore" data-view="0"><summary>Explore: &lt;/script&gt;')
    assert "open" not in view.split(">")[0]


@pytest.mark.parametrize("kind", sorted(NEEDS_EVAL))
def test_a_trace_that_the_policy_would_forbid_is_refused(kind: str) -> None:
    with pytest.raises(ValueError, match=f"must have traces that need no eval, got {kind}"):
        Views().add("t", [{"type": kind}])


def test_a_digest_is_that_of_the_policys_grammar() -> None:
    # the example of the Content Security Policy Level 3 specification: alert('Hello, world.');
    assert digest("alert('Hello, world.');") == "'sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng='"


def test_a_study_has_the_recorded_trials(make_records: Any) -> None:
    records = make_records(trials=20)
    mine = searches.scored_trials(outcome_of(records), SGD)
    study = searches.study_of(outcome_of(records), SGD, mine)
    assert [trial.value for trial in study.trials] == pytest.approx(
        (100 * mine["value"]).tolist()
    )  # as the page shows them
    assert [trial.params for trial in study.trials] == mine["params"].tolist()
    assert study.best_value == pytest.approx(100 * mine["value"].max())


def test_of_many_trials_the_best_are_kept(make_records: Any) -> None:
    records = make_records(["sgd"], seeds=1, trials=1500)
    few = searches.scored_trials(outcome_of(records), SGD)
    assert len(few) == few["number"].nunique() == searches.MOST_LINES
    assert few["number"].is_monotonic_increasing
    best = records.trials["value"].nlargest(searches.MOST_LINES // 4)
    assert set(best.index) <= set(few.index)


def test_parallel_lines_are_at_their_places(make_records: Any) -> None:
    records = make_records(["sgd"], seeds=1, trials=3)
    for i, (lr, epochs) in enumerate([(1e-3, 4), (1e-2, 6), (1e-1, 12)]):
        records.trials.at[i, "params"] = {"lr": lr, "epochs": epochs, "momentum": 0.9}
        records.trials.at[i, "value"] = 0.5 + 0.1 * i
    views = Views()
    searches.parallel_coordinates(outcome_of(records), SGD, records.trials, views)
    (figure,) = json.loads(views.json)
    axes, lines = figure["parallel"]["axes"], figure["parallel"]["lines"]
    assert [line["places"] for line in lines] == [[0.0, 0.0, 0.0], [0.5, 0.25, 0.5], [1.0, 1.0, 1.0]]
    assert [line["quality"] for line in lines] == pytest.approx([0, 0.5, 1])
    assert lines[1]["says"] == "trial 2: lr 0.01, epochs 6, tune accuracy, % 60.00"
    assert [axis["name"] for axis in axes] == ["lr", "epochs", "tune accuracy, %"]
    assert [axis["marks"] for axis in axes] == [
        [[0, "0.001"], [1, "0.1"]],
        [[0, "4"], [1, "12"]],
        [[0, "50.00"], [1, "70.00"]],
    ]


def test_every_search_has_parallel_coordinates_and_optunas_plots(make_records: Any) -> None:
    records, views = make_records(trials=30), Views()
    outcome = Outcome(analyse(records, importances.harness_analyses()))
    found = searches.search_views(outcome, arm_looks(outcome.labels), views)
    assert [len(each["views"]) for each in found] == [4, 4, 4]
    titles = [figure["title"] for figure in json.loads(views.json)][:4]
    assert titles == [
        "parallel coordinates",
        "slices, by Optuna",
        "history of the search, by Optuna",
        "importances (PED-ANOVA)",
    ]


def test_importances_are_those_of_all_trials(make_records: Any) -> None:
    views, results = Views(), analyse(make_records(["sgd"], trials=300), importances.harness_analyses())
    searches._importance_view(Outcome(results), SGD, views)
    ((bar,),) = [figure["data"] for figure in json.loads(views.json)]
    table = results.tables["importances"].set_index("parameter")["importance"]
    assert dict(zip(bar["y"], bar["x"], strict=True)) == pytest.approx((100 * table).to_dict(), rel=1e-4)


def test_a_long_text_is_packed_and_a_short_one_is_not() -> None:
    short, long = "[1]", "[" + "1," * 20_000 + "1]"
    assert packed(short) == short
    assert gzip.decompress(base64.b64decode(packed(long))).decode() == long
    assert packed(long) == packed(long)


def test_a_line_a_seed(make_records: Any) -> None:
    records, views = make_records(seeds=4, epochs=3), Views()
    outcome = outcome_of(records)
    explore.seed_curves(outcome, arm_looks(outcome.labels), views)
    loss, accuracy = json.loads(views.json)
    assert len(loss["data"]) == len(accuracy["data"]) == 12
    assert [line["showlegend"] for line in loss["data"]] == [True, False, False, False] * 3
    first = records.epochs[records.epochs["run_id"] == f"{SGD}-0".replace("/", "-")]["tune_accuracy"]
    assert accuracy["data"][0]["y"] == pytest.approx((100 * first).tolist(), rel=1e-4)
