"""Confusions, calibration, picks, suspects: against oracles on predictions that are written out, and as sections of the page."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from harness_plugins.analyses.photos import calibration, cleaned, confusion, picks
from harness_reports import html
from PIL import Image
from scipy.spatial.distance import jensenshannon
from scipy.stats import binomtest

from harness.records.checked import save_arrays
from harness.results.analysis import analyse
from harness.results.tables import suspects
from harness.results.tables.class_probabilities import entropy

pytestmark = pytest.mark.usefixtures("undrawn")  # words are read, and no figure


def analyses_of(module):
    """Return the analyses of a module: the core's, which a plugin registers, or those of a plugin."""
    return [module.ANALYSIS] if hasattr(module, "ANALYSIS") else module.harness_analyses()


OURS = (confusion, calibration, picks, suspects, cleaned)
HOSTILE = ["</style><script>alert(1)</script>.jpg", 'a"onload="x.jpg', "dogs/\u202egpj.exe\n.jpg", "{{ 7*7 }}.jpg"]


def two(given):
    """Return probabilities [N, 2] from those of class 0."""
    column = np.asarray(given, dtype=np.float32)
    return np.stack([column, 1 - column], axis=1)


@pytest.fixture
def shown(make_records, tmp_path):
    """Return a function that makes up records of photos with these predictions ``{(arm, seed): [N, 2]}``."""

    def build(predictions, targets, names=None, tune=None, folds=None, likeness=None, excluded=(), thumbs=()):
        optimizers = list(dict.fromkeys(arm for arm, _ in predictions))
        seeds = 1 + max(seed for _, seed in predictions)
        records = make_records(optimizers, seeds=seeds, epochs=2, trials=2)
        (tmp_path / "thumbnails").mkdir(exist_ok=True)
        for row in thumbs:
            out = io.BytesIO()
            Image.new("RGB", (8, 8), (row, 0, 0)).save(out, "JPEG")
            (tmp_path / "thumbnails" / f"test-{row}.jpg").write_bytes(out.getvalue())
        return with_photos(records, tmp_path, predictions, targets, names, tune, folds, likeness, excluded)

    return build


def with_photos(records, folder, predictions, targets, names=None, tune=None, folds=None, likeness=None, excluded=()):
    """Return records with predictions ``{(optimizer, seed): [N, 2]}`` of photos, which are written into a folder."""
    (folder / "predictions").mkdir(exist_ok=True)
    for (arm, seed), found in predictions.items():
        arrays = {"predictions": np.asarray(found, np.float32)}
        if tune:
            arrays["tune"] = np.asarray(tune[0], np.float32)
        save_arrays(folder / "predictions" / f"lesson_cnn-{arm}-cosine-{seed}.safetensors", arrays)
    splits = {"test": targets, "tune": tune[1] if tune else [], "train": folds[1] if folds else []}
    rows = [
        (
            split,
            row,
            names[row] if names and split == "test" else f"{split}/{row}.jpg",
            target,
            f"{split}/{row}.jpg" in excluded,
        )
        for split, found in splits.items()
        for row, target in enumerate(found)
    ]
    meta = replace(records.meta, likeness=likeness or None)
    if folds:
        save_arrays(folder / "predictions" / "out_of_fold.safetensors", {"predictions": folds[0]})
        meta = replace(meta, folds={"arm": "lesson_cnn/sgd/cosine", "count": 5})
    examples = pd.DataFrame(rows, columns=["split", "row", "name", "target", "excluded"])
    save_arrays(folder / "predictions" / "targets.safetensors", {"targets": np.asarray(targets)})
    return replace(records, folder=folder, examples=examples, meta=meta)


def test_confusion_is_the_mean_count_over_seeds(shown):
    records = shown({("sgd", 0): two([0.9, 0.2, 0.1, 0.4]), ("sgd", 1): two([0.9, 0.8, 0.7, 0.4])}, [0, 0, 1, 1])
    table = confusion.compute(records).set_index(["true", "predicted"])
    assert table["count"].to_dict() == {
        ("cat", "cat"): 1.5,
        ("cat", "dog"): 0.5,
        ("dog", "cat"): 0.5,
        ("dog", "dog"): 1.5,
    }
    assert table["part"].to_dict() == pytest.approx({pair: value / 2 for pair, value in table["count"].items()})
    assert table.loc[("cat", "cat"), ["lowest", "highest", "examples", "seeds"]].tolist() == [1, 2, 2, 2]


def test_ece_against_a_loop():
    random = np.random.default_rng(0)
    confident, right = random.uniform(0.3, 1, 200), random.random(200) < 0.8
    total = 0.0
    for b in range(calibration.BINS):
        inside = (confident > b / calibration.BINS) & (confident <= (b + 1) / calibration.BINS)
        if inside.any():
            total += inside.mean() * abs(right[inside].mean() - confident[inside].mean())
    assert calibration.ece(confident, right) == pytest.approx(total)


def test_ece_by_chance_is_that_of_calibrated_predictions():
    random = np.random.default_rng(1)
    confident = random.uniform(0.5, 1, 400)
    drawn = [calibration.ece(confident, random.random(400) < confident) for _ in range(1500)]
    assert np.mean(drawn) == pytest.approx(calibration.ece_by_chance(confident), rel=0.05)


def test_a_bins_ends_belong_to_one_bin():
    edges = np.arange(calibration.BINS + 1) / calibration.BINS
    assert calibration.bin_of(edges).tolist() == [0, *range(calibration.BINS)]


@pytest.mark.parametrize(("right", "n"), [(0, 5), (5, 5), (3, 7), (90, 100)])
def test_wilson_is_scipys(right, n):
    expected = binomtest(right, n).proportion_ci(method="wilson")
    assert calibration.wilson(right / n, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_calibration_rows_hold_every_prediction_once(shown):
    records = shown({("sgd", 0): two([0.9, 0.2, 0.1, 0.4]), ("sgd", 1): two([0.9, 0.8, 0.7, 0.4])}, [0, 0, 1, 1])
    table = calibration.compute(records)
    assert table["count"].sum() == 4
    assert (table["accuracy"] * table["count"]).sum() == pytest.approx(3)  # 6 right of 2 x 4
    seeds = [
        calibration.ece(np.array(c), np.array(r))
        for c, r in (([0.9, 0.8, 0.9, 0.6], [1, 0, 1, 1]), ([0.9, 0.8, 0.7, 0.6], [1, 1, 0, 1]))
    ]
    assert table["ece"].unique() == pytest.approx([np.mean(seeds)])


def test_disagreement_is_the_root_jensen_shannon_divergence():
    random = np.random.default_rng(2)
    p, q, r = (random.dirichlet([1, 1, 1], 20) for _ in range(3))
    oracle = [
        np.mean([jensenshannon(a, b, base=2) for a, b in ((p[i], q[i]), (p[i], r[i]), (q[i], r[i]))]) for i in range(20)
    ]
    assert picks.disagreement([p, q, r]) == pytest.approx(oracle, abs=1e-7)
    assert picks.disagreement([two([1.0]), two([0.0])]) == pytest.approx([1])
    assert picks.disagreement([p, p]) == pytest.approx(np.zeros(20), abs=1e-7)


def test_entropy_is_a_part_of_the_highest():
    assert entropy(np.array([[0.5, 0.5], [1, 0]])) == pytest.approx([1, 0])
    assert entropy(np.full((1, 3), 1 / 3)) == pytest.approx([1])


def test_picks_are_the_surest_the_most_wrong_and_the_most_doubtful(shown):
    cat = [0.995, 0.90, 0.30, 0.01, 0.55]  # all cats
    dog = [0.02, 0.60, 0.48]
    records = shown({("sgd", 0): two([*cat, *dog])}, [0] * 5 + [1] * 3)
    table = picks.compute(records)
    rows = {key: group["row"].tolist() for key, group in table.groupby(["kind", "class"])}
    assert rows == {
        ("correct", "cat"): [0, 1, 4],
        ("correct", "dog"): [5, 7],
        ("incorrect", "cat"): [3, 2],
        ("incorrect", "dog"): [6],
        ("uncertain", "cat"): [4, 2, 1, 3],
        ("uncertain", "dog"): [7, 6, 5],
    }
    worst = table[(table["kind"] == "incorrect") & (table["row"] == 3)].iloc[0]
    assert (worst["label"], worst["predicted"]) == ("cat", "dog")
    assert [worst["given"], worst["probability"]] == pytest.approx([0.01, 0.99], abs=1e-6)


def test_arms_disagree_first_where_they_are_furthest_apart(shown):
    records = shown({("sgd", 0): two([0.9, 0.5, 0.9]), ("adam", 0): two([0.9, 0.6, 0.1])}, [0, 0, 0])
    table = picks.compute(records)
    apart = table[table["kind"] == "disagree"]
    assert apart["row"].tolist() == [2, 2, 1, 1]  # a row per arm; the first photo is agreed on
    assert apart["given"].tolist() == pytest.approx([0.9, 0.1, 0.5, 0.6], abs=1e-6)


def test_a_label_is_doubted_only_where_no_model_predicts_it(shown):
    truth = [0, 0, 0, 0]
    one, other = two([0.05, 0.05, 0.99, 0.3]), two([0.03, 0.51, 0.99, 0.3])
    table = suspects.compute(shown({("sgd", 0): one, ("sgd", 1): other}, truth))
    assert table.loc[table["reason"] == "wrong label", ["row", "label", "suggested"]].to_numpy().tolist() == [
        [0, "cat", "dog"]
    ]
    assert table["score"].iloc[0] == pytest.approx(0.96)


def test_train_photos_are_judged_out_of_fold_and_tune_photos_by_the_arms(shown):
    tune = (two([0.02, 0.9]), [0, 0])
    folds = (two([0.9, 0.9, 0.04]), [0, 1, 0])
    table = suspects.compute(shown({("sgd", 0): two([0.9])}, [0], tune=tune, folds=folds))
    assert table[["file", "reason"]].to_numpy().tolist() == [
        ["tune/0.jpg", "wrong label"],
        ["train/2.jpg", "wrong label"],
    ]
    without = suspects.compute(shown({("sgd", 0): two([0.9])}, [0], tune=tune))
    assert without["file"].tolist() == ["tune/0.jpg"]


def test_neither_class_is_at_most_the_most_undecided_hundredth():
    mean = two(np.linspace(0.4, 0.6, 300))
    found = [n for n, reason, *_ in suspects.doubts(mean, mean[None], np.zeros(300, int)) if reason == "neither class"]
    assert len(found) == 3
    assert set(found) <= {148, 149, 150, 151}
    sure = two(np.full(300, 0.95))
    assert not [1 for (*_,) in suspects.doubts(sure, sure[None], np.zeros(300, int))]


def test_of_two_photos_the_one_nearer_to_test_is_kept(shown):
    def photo(split, row, label="cat"):
        return {"name": f"{split}/{row}.jpg", "split": split, "label": label}

    likeness = {
        "duplicates": [[photo("test", 0), photo("train", 0)], [photo("train", 1), photo("train", 2)]],
        "near_duplicates": [{"photos": [photo("train", 3), photo("tune", 0)], "bits": 1, "correlation": 0.99}],
        "leaks": [[photo("test", 0), photo("train", 0)], [photo("train", 3), photo("tune", 0)]],
        "label_conflicts": [[photo("train", 1), photo("train", 2)]],
    }
    fine = two([0.9] * 4)
    table = suspects.compute(
        shown({("sgd", 0): two([0.9])}, [0], tune=(two([0.9]), [0]), folds=(fine, [0] * 4), likeness=likeness)
    )
    found = table[["file", "reason", "other", "score"]].to_numpy().tolist()
    assert found == [
        ["train/1.jpg", "conflicting labels", "train/2.jpg", 1.0],
        ["train/2.jpg", "conflicting labels", "train/1.jpg", 1.0],
        ["train/0.jpg", "leak", "test/0.jpg", 1.0],
        ["train/3.jpg", "leak", "tune/0.jpg", 0.99],
    ]


def test_scores_are_given_with_and_without_the_excluded(shown, scored):
    records = shown(
        {("sgd", 0): two([0.9, 0.9, 0.1, 0.1]), ("sgd", 1): two([0.9, 0.9, 0.9, 0.1])}, [0] * 4, excluded={"test/3.jpg"}
    )
    scores = {"lesson_cnn-sgd-cosine-0": [1, 1, 0, 0], "lesson_cnn-sgd-cosine-1": [1, 1, 1, 0]}
    table = cleaned.compute(scored(records, records.folder, scores))
    assert table["examples"].tolist() == [4, 3]
    assert table["mean"].tolist() == pytest.approx([5 / 8, 5 / 6])
    whole = shown({("sgd", 0): two([0.9])}, [0])
    assert cleaned.compute(whole).empty


def test_what_is_no_class_probability_is_left_out(shown, make_records):
    odd = shown({("sgd", 0): np.ones((2, 2)), ("adam", 0): two([0.9, 0.1])}, [0, 1])
    assert set(confusion.compute(odd)["arm"]) == {"lesson_cnn/adam/cosine"}
    for module in OURS:
        assert module.compute(make_records()).empty  # no predictions, no names: an older run


def page_of(records):
    offers = [offer for module in OURS for offer in analyses_of(module)]
    results = analyse(records, offers)
    assert not results.problems
    return html.render(results)


def test_the_page_shows_each_photo_from_one_copy(shown):
    made = {("sgd", 0): two([0.9, 0.4, 0.02]), ("adam", 0): two([0.2, 0.9, 0.03])}
    page = page_of(shown(made, [0, 1, 0], thumbs=range(3)))
    assert page.count("data:image/jpeg;base64,") == 3
    assert page.count('class="thumb photo-test-0"') >= 3
    assert "thumb none" not in page
    assert "Where the arms disagree most" in page
    assert "Wrong label?" in page
    assert "\N{REPLACEMENT CHARACTER}" not in page
    for arm in ("sgd", "adam"):
        assert f"<summary>{arm}</summary>" in page
    assert page == page_of(shown(made, [0, 1, 0], thumbs=range(3)))


def test_a_missing_thumbnail_is_a_box_with_the_name(shown):
    page = page_of(shown({("sgd", 0): two([0.9, 0.4])}, [0, 1], thumbs=[0]))
    assert re.search(r'<span class="thumb none" title="test/1.jpg">1.jpg</span>', page)


def test_hostile_file_names_stay_text(shown):
    page = page_of(shown({("sgd", 0): two([0.9, 0.4, 0.1, 0.6])}, [0, 1, 0, 1], names=HOSTILE))
    assert "<script>" not in page.replace('<script>"use strict";', "")  # the page's own
    assert 'a"onload' not in page
    assert "\u202e" not in page
    assert "7*7" in page
    assert "49.jpg" not in page


def test_a_file_that_is_no_jpeg_is_not_shown(shown):
    records = shown({("sgd", 0): two([0.9])}, [0], thumbs=[0])
    (records.folder / "thumbnails" / "test-0.jpg").write_text("<script>")
    assert "data:image" not in page_of(records)


def test_without_photos_there_are_no_sections(make_records):
    page = page_of(make_records(metrics={"mse": {"goal": "min", "unit": ""}}))
    assert 'id="looking"' not in page
    assert 'id="suspects"' not in page


def test_predictions_without_names_show_matrix_and_reliability_alone(shown):
    records = shown({("sgd", 0): two([0.9, 0.4])}, [0, 1])
    page = page_of(replace(records, examples=records.examples.iloc[:0]))
    assert 'id="looking"' in page
    assert "confusion" in page
    assert 'class="photos"' not in page


def test_many_classes_are_listed_by_their_worst_confusions(shown):
    from harness_reports._draw.interactive import Views
    from harness_reports._draw.thumbs import Thumbs
    from harness_reports._page._section import Page
    from harness_reports._page.looking import _arm_cards
    from harness_reports._words.outcome import Outcome

    names = [f"breed{i}" for i in range(9)]
    rows = [
        {"arm": "a", "true": t, "predicted": p, "count": 3.0 if (t, p) == ("breed1", "breed2") else 0.0, "part": 0.0,
         "lowest": 0, "highest": 3, "examples": 5, "seeds": 1}
        for t in names for p in names
    ]  # fmt: skip
    results = SimpleNamespace(
        tables={"confusion": pd.DataFrame(rows)}, records=SimpleNamespace(meta=SimpleNamespace(data={"classes": names}))
    )
    looks = {"a": SimpleNamespace(label="a", color="#000000")}
    (card,) = _arm_cards(Page(Outcome(results), looks, Views(), Thumbs(results.records)))
    assert [(pair["true"], pair["predicted"], pair["count"]) for pair in card["pairs"]] == [("breed1", "breed2", "3")]


@pytest.mark.parametrize(
    ("count", "text"), [(0.3, "0.3"), (3.0, "3"), (9.96, "10.0"), (12.4, "12"), (1898.7, "1,899"), (1200.0, "1,200")]
)
def test_a_mean_count_has_a_decimal_only_where_it_is_small(count, text):
    from harness_reports._page.looking import _mean_count

    assert _mean_count(count) == text
