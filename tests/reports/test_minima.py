"""The section on the minima, and the analyses it is made of: against sums done by hand, and gone where nothing is known."""

from __future__ import annotations

import html as html_lib
import json
import re
from dataclasses import dataclass, field, replace
from itertools import combinations, product
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from harness_plugins.analyses.solutions import barriers, distances, solutions, spectra, surfaces
from harness_reports import html
from harness_reports._draw.arm_styles import arm_looks
from harness_reports._page.minima import chart, lines, matrices, plane
from harness_reports._page.minima import gate as gate_table
from harness_reports._page.minima.signs import signs
from markupsafe import escape
from matplotlib.transforms import Bbox

from harness.errors import RunFolderError
from harness.records import FolderRecords
from harness.results.analysis import analyse
from harness.verdict.tables import facets, gate


def analyses_of(module: Any) -> list[Any]:
    """Return the analyses of a module: the core's, which a plugin registers, or those of a plugin."""
    return [module.ANALYSIS] if hasattr(module, "ANALYSIS") else module.harness_analyses()


VERDICT = {
    "alpha": 0.05,
    "margins": dict.fromkeys(
        ("accuracy", "test_loss", "train_loss", "objective", "function", "representation", "scatter", "barrier", "sharpness"), 1.1
    ),
    "floors": {
        **dict.fromkeys(("disagreement", "root_jsd", "prediction", "cka", "procrustes", "barrier"), 0.005), "sharpness": 0.002,
    },
    "gate": {"gain": 0.05, "spread": 0.001, "stationary": 0.1, "nats": 0.005, "gradient": 1e-4},
}  # fmt: skip
OFFERS = [
    offer for module in (barriers, distances, gate, solutions, spectra, surfaces) for offer in analyses_of(module)
]
SEEDS, EXAMPLES = 4, 60
ALPHAS = np.linspace(0, 1, 5)


@dataclass(frozen=True)
class InMemory(FolderRecords):
    """Records whose predictions and arrays lie in memory."""

    kept: dict[str, Any] = field(default_factory=dict)
    arrays: dict[tuple[str, ...], Any] = field(default_factory=dict)
    truth: Any = None

    def predictions(self, run_id, split="test"):
        if run_id not in self.kept:
            raise RunFolderError(f"{run_id}: no predictions")
        return self.kept[run_id]

    def probed(self, probe, *run_ids):
        return self.arrays.get((probe, *run_ids), {})

    @property
    def targets(self):
        return np.zeros(EXAMPLES, np.int64) if self.truth is None else self.truth


def compared(records, probes=("representation", "connectivity", "sharpness", "hessian", "surface"), predicted=True):
    """Return made-up records with a comparison of replicates of one seed each: the arms, and two controls of the first one."""
    random = np.random.default_rng(3)
    arms = list(records.arms["arm"])
    first = arms[0]
    network = first.rsplit("/", 2)[0]
    controls = {f"{network}/again~aa/cosine": "aa", f"{network}/noisy~different/cosine": "different"}
    rows = []
    for arm, seed in product((*arms, *controls), range(SEEDS)):
        rows.append(
            {
                "run_id": f"{arm}-{seed}".replace("/", "-"), "arm": arm, "role": controls.get(arm, "fresh"), "of": first if arm in controls else arm,
                "replicate": seed, "init_seed": seed, "order_seed": seed, "seed": seed, "state": "done",
                "test_accuracy": 0.9 + seed / 100, "train_loss": 0.01, "train_error": 0.0, "gradient_norm.value": 0.1 * (seed + 1),
            }
        )  # fmt: skip
    said = {row["run_id"]: random.dirichlet((1.0, 1.0), EXAMPLES).astype(np.float32) for row in rows}
    table, arrays = measured(rows, arms, probes, random)
    benchmark = json.loads(json.dumps(records.meta.benchmark))
    benchmark["verdict"], benchmark["compare"]["fit"] = VERDICT, 0.01
    benchmark["compare"] |= {"looks": [SEEDS], "seeds": 1}
    notes = {name: {"subset": "", "done": 1, "planned": 1, "problems": []} for name in probes}
    meta = replace(records.meta, benchmark=benchmark, convex={network: False}, probes=notes)
    return InMemory(
        **{
            **{name: getattr(records, name) for name in ("folder", "arms", "trials", "runs", "epochs")},
            "meta": meta, "comparison": pd.DataFrame(rows), "measured": table,
            "kept": said if predicted else {}, "arrays": arrays,
        }
    )  # fmt: skip


def measured(rows, arms, probes, random):
    """Return the table and the arrays of late probes: pairs of different seeds only."""
    found, arrays = [], {}
    for row in rows:
        if "sharpness" in probes:
            found.append(("sharpness", row["run_id"], "", "", "value_0.001", 0.001 * (row["seed"] + 1)))
        if "hessian" in probes:
            nodes = np.array([-1.0, 0.0, 10.0 + row["seed"]])
            arrays["hessian", row["run_id"]] = {"nodes": nodes, "weights": np.array([0.05, 0.9, 0.05])}
            numbers = {"lambda_max": nodes[-1], "lambda_max_residual": 1e-6, "trace": 20.0, "trace_se": 2.0}
            found += [("hessian", row["run_id"], "", "", name, value) for name, value in numbers.items()]
    for one, other in combinations(rows, 2):
        pair = one["run_id"], other["run_id"]
        if one["seed"] == other["seed"]:
            continue
        if "representation" in probes:
            layers = [f"cka_{layer}" for layer in (*lines.LAYERS, "within_penultimate")]
            numbers = {layer: random.uniform(0.1, 0.9) for layer in layers}
            found += [("representation", *pair, "", name, value) for name, value in numbers.items()]
        if "connectivity" in probes:
            height = random.uniform(0.5, 1.5)
            curve = 0.2 + 0.1 * ALPHAS + height * np.array([0, 0.2, 1, 0.6, 0])
            arrays["connectivity", *pair] = {
                "alphas": ALPHAS,
                "aligned_curve_loss": curve,
                "aligned_curve_error": 0 * curve,
            }
            numbers = {
                "aligned_loss": height,
                "aligned_error": height / 10,
                "bn_recalibrated": 1.0,
                "endpoint_gap": 0.0,
                "movable": 1.0,
            }
            found += [("connectivity", *pair, "", name, value) for name, value in numbers.items()]
    if "surface" in probes:
        three = tuple(next(row["run_id"] for row in rows if row["arm"] == arm) for arm in arms[:3])
        x, y = np.linspace(-1, 3, 7), np.linspace(-1, 2, 7)
        arrays["surface", *three] = {
            "x": x, "y": y, "loss": 0.01 + (x[None] ** 2 + 10 * y[:, None] ** 2), "error": np.zeros((7, 7)),
            "solutions": np.array([[0.0, 0.0], [2.0, 0.0], [1.0, 1.0]]), "solution_loss": np.array([0.01, 4.01, 11.01]),
            "solution_error": np.zeros(3),
        }  # fmt: skip
        found.append(("surface", *three, "one_other", 2.0))
    table = pd.DataFrame(found, columns=["probe", "one", "other", "third", "name", "value"])
    return table.astype({"value": float}), arrays


@pytest.fixture(scope="module")
def records(make_records):
    return compared(make_records(seeds=SEEDS, epochs=2, trials=2))


@pytest.fixture(scope="module")
def page(records):
    return html.render(analyse(records, OFFERS))


def section(page):
    found = re.search(r'<section id="minima">.*?</section>', page, re.DOTALL)
    return found[0] if found else ""


def carried(page, label):
    """Return the table that the figure with this label carries."""
    svg = next(
        svg for svg in re.findall(r"<svg.*?</svg>", page, re.DOTALL) if f'aria-label="{html_lib.escape(label)}"' in svg
    )
    found = json.loads(html_lib.unescape(re.search(r"<metadata>(.*?)</metadata>", svg, re.DOTALL)[1]))
    return pd.DataFrame(found["rows"], columns=found["columns"])


# --- scaling --------------------------------------------------------------------------------------------------


def apart(points):
    return np.linalg.norm(points[:, None] - points[None], axis=2)


def test_points_of_a_plane_come_back_but_for_turning():
    points = np.random.default_rng(0).normal(size=(9, 2)) * [5, 1]
    found, part = chart.scaled(apart(points))
    np.testing.assert_allclose(apart(found), apart(points), atol=1e-9)
    assert part == pytest.approx(1)


def test_of_a_simplex_a_plane_shows_two_of_its_dimensions():
    _, part = chart.scaled(1 - np.eye(8))
    assert part == pytest.approx(2 / 7)


def test_solutions_that_are_all_one_lie_on_one_point():
    points, part = chart.scaled(np.zeros((5, 5)))
    assert not points.any()
    assert part == 1


# --- analyses -------------------------------------------------------------------------------------------------


def test_distances_and_their_means_are_those_of_the_predictions(records):
    table = distances.compute(records)
    arms = list(records.arms["arm"])[:2]
    runs = {(row["arm"], row["init_seed"]): row["run_id"] for row in records.comparison.to_dict("records")}

    def disagreement(one, other):
        return float(np.mean(records.kept[runs[one]].argmax(1) != records.kept[runs[other]].argmax(1)))

    rows = table[table["measure"] == "disagreement"]
    assert len(rows) == (5 * SEEDS) * (5 * SEEDS - 1) // 2
    for row in rows.to_dict("records"):
        assert row["distance"] == disagreement((row["arm"], row["seed"]), (row["other"], row["other_seed"]))
    pairs = [(s, t) for s, t in product(range(SEEDS), repeat=2) if s != t]
    a, b = ([disagreement((arm, s), (arm, t)) for s, t in pairs] for arm in arms)
    between = [disagreement((arms[0], s), (arms[1], t)) for s, t in pairs]
    means = distances.blocks(records)
    row = means[(means["measure"] == "disagreement") & (means["arm"] == arms[0]) & (means["other"] == arms[1])].iloc[0]
    assert row[["within", "within_other", "between"]].tolist() == pytest.approx(
        [np.mean(a), np.mean(b), np.mean(between)]
    )
    assert row["rho"] == pytest.approx(np.mean(between) / ((np.mean(a) + np.mean(b)) / 2))
    assert row["pairs"] == len(pairs)


def test_the_means_are_those_that_the_verdict_judges(records):
    means, judged = distances.blocks(records), facets.compute(records)
    judged = judged.replace({"measure": {"excess_barrier": "aligned_error"}})  # the barrier that the excess is of
    keys, compared = ["measure", "arm", "other"], 0
    for row in judged[judged["scale"].isin(["log rho", "excess"]) & judged["primary"].astype(bool)].to_dict("records"):
        mine = means[np.logical_and.reduce([means[key] == row[key] for key in keys])]
        if len(mine):
            compared += 1
            assert mine.iloc[0]["within"] == pytest.approx(row["within"])
            assert mine.iloc[0]["between"] == pytest.approx(row["distance"])
    assert compared == 5 * 4  # three pairs and two controls; two measures of the function, one of the rest


def test_barriers_are_pooled_over_pairs_both_ways_round_above_the_line_between_their_ends(records):
    table = barriers.compute(records)
    heights = records.measured[records.measured["name"] == "aligned_loss"]
    runs = records.comparison.set_index("run_id")
    fresh = heights[heights["one"].map(runs["role"]).eq("fresh") & heights["other"].map(runs["role"]).eq("fresh")]
    same = fresh["one"].map(runs["arm"]) == fresh["other"].map(runs["arm"])
    for kind, mine in (("within", fresh[same]), ("between", fresh[~same])):
        rows = table[(table["quantity"] == "loss") & (table["kind"] == kind) & (table["arm"] == "")]
        both = np.concatenate([np.outer(mine["value"], shape) for shape in ([0, 0.2, 1, 0.6, 0], [0, 0.6, 1, 0.2, 0])])
        np.testing.assert_allclose(rows["median"], np.median(both, axis=0), atol=1e-12)
        np.testing.assert_allclose(rows["high"], np.quantile(both, 0.9, axis=0), atol=1e-12)
        assert set(rows["pairs"]) == {len(mine)}
    assert set(table["arm"]) == {"", *records.arms["arm"]}  # no control


@pytest.mark.usefixtures("undrawn")
def test_a_barrier_that_cannot_be_trusted_is_in_no_figure(records):
    stale = records.measured.copy()
    gone = (stale["probe"] == "connectivity") & (stale["one"] == "lesson_cnn-sgd-cosine-0")
    stale.loc[gone & (stale["name"] == "bn_recalibrated"), "value"] = 0.0
    found, before = barriers.compute(replace(records, measured=stale)), barriers.compute(records)
    assert found["pairs"].max() == before["pairs"].max() - 2 * (SEEDS - 1)  # of the first seed with two other arms
    pairs = distances.compute(replace(records, measured=stale))
    mine = pairs[(pairs["measure"] == "aligned_loss") & (pairs["seed"] == 0)]
    assert records.arms["arm"].iloc[0] not in set(mine["arm"])
    text = section(html.render(analyse(replace(records, measured=stale), OFFERS)))
    assert f"Another {3 * (SEEDS - 1)} pairs are left out" in text


def test_the_surface_keeps_its_axes_apart(records):
    table = surfaces.compute(records)
    x, y, loss = plane.grid_of(table)
    assert (x[0], x[-1], y[0], y[-1]) == (-1, 3, -1, 2)
    np.testing.assert_allclose(loss, 0.01 + x[None] ** 2 + 10 * y[:, None] ** 2)
    three = table[table["what"] == "solution"]
    assert list(three["arm"]) == list(records.arms["arm"])
    assert three[["x", "y", "loss"]].to_numpy().tolist() == [[0, 0, 0.01], [2, 0, 4.01], [1, 1, 11.01]]


def test_densities_hold_all_eigenvalues_where_they_are(records):
    table = spectra.compute(records)
    assert table.groupby("arm")["seeds"].first().eq(SEEDS).all()
    for _, mine in table.groupby("arm"):
        x, density = mine["eigenvalue"].to_numpy(), mine["density"].to_numpy()
        assert np.trapezoid(density, x) == pytest.approx(1, abs=1e-3)
        assert np.trapezoid(density * x, x) == pytest.approx(0.05 * (-1 + 11.5), abs=1e-2)  # the mean eigenvalue


def test_what_was_not_measured_of_a_solution_is_unknown(records):
    table = solutions.compute(records)
    assert list(table["kind"].unique()) == ["arm", "aa", "different"]
    first = table.iloc[0]
    assert (first["sharpness"], first["lambda_max"], first["gradient_norm"]) == (0.001, 10.0, 0.1)
    assert np.isnan(first["moved"])
    assert first["score"] == 0.9


# --- the page -------------------------------------------------------------------------------------------------


def test_the_matrix_carries_the_distances_it_shows(records, page):
    table = carried(page, "Disagreement of every two solutions")
    assert table.shape == (5 * SEEDS, 5 * SEEDS + 1)
    shown = table.drop(columns="solution").to_numpy(dtype=float)
    said = np.stack([records.kept[run].argmax(1) for run in records.comparison["run_id"]])
    expected = 100 * (said[:, None] != said[None]).mean(axis=2)
    np.testing.assert_allclose(shown, expected, atol=1e-4)
    layer = carried(page, "Distance of the last hidden layer of every two solutions").drop(columns="solution")
    assert layer.isna().to_numpy().sum() == 5 * 4 * SEEDS  # equal seeds of two arms


def test_the_table_of_means_says_what_the_blocks_are(records, page):
    rows = distances.blocks(records)
    row = rows[rows["measure"] == "disagreement"].iloc[0]
    text = re.sub(r"<[^>]+>", " ", section(page))
    cells = [f"{100 * row[key]:.1f}" for key in ("within", "within_other", "between")]
    assert re.search(r"\s+".join([re.escape("Disagreement, % of the test examples"), "sgd", "adam", *cells]), text)


def test_the_depths_are_means_over_pairs_of_other_seeds(records):
    table = distances.compute(records)
    arms = list(records.arms["arm"])
    found = lines.distances_by_depth(table, arms)
    mine = table[(table["measure"] == "cka_block2") & table["arm"].isin(arms) & table["other"].isin(arms)]
    rows = found[(found["layer"] == "block2") & (found["arm"] == "")].set_index("kind")
    assert rows.loc["within", "mean"] == pytest.approx(mine[mine["arm"] == mine["other"]]["distance"].mean())
    assert rows.loc["between", "mean"] == pytest.approx(mine[mine["arm"] != mine["other"]]["distance"].mean())
    assert rows.loc["within", "pairs"] == 3 * SEEDS * (SEEDS - 1) // 2


def test_the_section_has_every_figure_each_with_its_data_and_no_link(page):
    text = section(page)
    assert '<a href="#minima">' in page
    # matrices, map, plane, barriers, depth, spectrum, and strips of what differs: the trace is equal in all solutions
    assert text.count("<metadata>") == 3 + 1 + 1 + 1 + 1 + 1 + 3
    assert "Trace of the Hessian: every seed" not in text
    assert "Largest eigenvalue of the Hessian: every seed" in text
    assert text.count('data-view="') == 3 + 1 + 1
    assert "not judged" in text
    assert 'href="data:image/png;base64,' in text
    assert not re.search(r'href="(?!#|data:)', text)
    ids = re.findall(r' id="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert "#0a0b0" not in page
    assert "flatter is not better" in text


def test_the_same_records_give_the_same_bytes(records, page):
    assert html.render(analyse(records, OFFERS)) == page


@pytest.mark.usefixtures("undrawn")
def test_what_is_missing_says_what_would_measure_it(make_records):
    only = compared(make_records(seeds=SEEDS, epochs=2, trials=2), probes=())
    only = replace(
        only,
        meta=replace(
            only.meta,
            probes={
                "connectivity": {
                    "planned": 0,
                    "done": 0,
                    "subset": "0 of 4",
                    "left_out": "left out; to measure: A",
                    "problems": [],
                },
                "surface": {"planned": 1, "done": 1, "subset": "", "problems": ["it <b>broke</b>"]},
            },
        ),
    )
    text = section(html.render(analyse(only, OFFERS)))
    assert "How far apart the solutions are" in text
    assert "Barriers between solutions</h3>" not in text
    command = escape(only.measuring(["representation", "sharpness", "hessian", "distance"]))
    assert text.count(f"To measure: {command}") == 1
    assert "Not measured: how alike the hidden layers are, sharpness, eigenvalues of the Hessian" in text
    assert text.count("left out; to measure: A") == 1
    assert "it &lt;b&gt;broke&lt;/b&gt;" in text
    assert "<metadata>{}</metadata>" not in text


@pytest.mark.usefixtures("undrawn")
def test_it_is_gone_where_nothing_is_known(make_records, records):
    before = make_records(seeds=2, epochs=2, trials=2)
    assert section(html.render(analyse(before, OFFERS))) == ""  # of before there were comparisons
    assert section(html.render(analyse(records, []))) == ""  # without the analyses
    lost = replace(records, comparison=records.comparison.assign(state="failed"))
    page = html.render(analyse(lost, OFFERS))
    assert section(page) == ""
    assert "#minima" not in page


def test_hostile_names_stay_text(make_records):
    bad = "<script>alert('x')</script>" + '"><img src=x onerror=alert(1)>' + "😈" * 3 + "%{x}" + "w" * 300
    made = make_records(optimizers=(bad, "adam", "$x^2$"), seeds=SEEDS, epochs=2, trials=2)
    page = html.render(analyse(compared(made), OFFERS))
    assert section(page)
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    assert "$x^2$" in section(page)


@pytest.mark.usefixtures("undrawn")
def test_one_arm_alone_has_blocks_but_no_pairs(make_records):
    only = compared(make_records(optimizers=("sgd",), seeds=SEEDS, epochs=2, trials=2), probes=("representation",))
    only = replace(only, comparison=only.comparison[only.comparison["role"] == "fresh"])
    text = section(html.render(analyse(only, OFFERS)))
    assert text.count("<metadata>") == 3 + 1 + 1 + 1
    assert "Mean distances" not in text


@pytest.mark.usefixtures("undrawn")
def test_numbers_are_compared_in_standard_deviations_of_the_targets(make_records):
    metrics = {"mse": {"goal": "min", "unit": ""}, "loss": {"goal": "min", "unit": ""}}
    made = compared(make_records(seeds=SEEDS, epochs=2, trials=2, metrics=metrics), probes=("surface",))
    truth = np.random.default_rng(0).normal(size=EXAMPLES) * 3
    kept = {run: (i + truth).astype(np.float32) for i, run in enumerate(made.kept)}
    page = html.render(analyse(replace(made, kept=kept, truth=truth), OFFERS))
    shown = (
        carried(page, "Distance of predictions of every two solutions").drop(columns="solution").to_numpy(dtype=float)
    )
    steps = np.arange(5 * SEEDS)
    np.testing.assert_allclose(shown, np.abs(steps[:, None] - steps) / truth.std(), atol=1e-4)
    assert "99.99" in section(page)  # they lie on a line
    assert "nats" not in section(page)


@pytest.mark.usefixtures("undrawn")
def test_a_linear_network_is_not_asked_for_hidden_layers(make_records):
    only = compared(make_records(seeds=SEEDS, epochs=2, trials=2), probes=())
    assert "hidden layers are" in section(html.render(analyse(only, OFFERS)))
    only = replace(only, meta=replace(only.meta, convex=dict.fromkeys(only.meta.convex, True)))
    assert "hidden layers are" not in section(html.render(analyse(only, OFFERS)))


def test_of_many_arms_the_first_seeds_are_drawn():
    table = pd.DataFrame(
        [(f"n/o{a}/s", "arm", f"n/o{a}/s", s) for a in range(40) for s in range(12)],
        columns=["arm", "kind", "of", "seed"],
    )
    known = signs(table, arm_looks({arm: arm for arm in table["arm"].unique()}))
    places = matrices.drawn_solutions(table, known)
    assert len(places) == matrices.MOST_SOLUTIONS
    assert {seed for _, seed in places} == {0, 1, 2}


def test_contours_stand_at_round_losses():
    assert plane.levels(np.array([0.015, 0.9])) == pytest.approx([0.02, 0.05, 0.1, 0.2, 0.5])
    assert all(1 < level < 2 for level in plane.levels(np.array([1.0, 2.0])))
    assert plane.levels(np.array([-1.0, 1.0]))
    assert plane.levels(np.array([1.0, 1.0])) == []


@pytest.mark.parametrize(
    "places",
    [
        [(0, 0), (0.05, 0.02), (2.9, 1.9)],  # two that all but coincide
        [(0, 0), (2, 0.02), (1, 0.01)],  # three in a row
        [(-1, 2), (3, 2), (3, -1)],  # in the corners
        [(1, 1), (1.02, 1.01), (1.01, 1.03)],
    ],
)
def test_no_name_of_the_plane_covers_a_mark_or_another_name(places):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.1, 3.6))
    axes = figure.subplots()
    axes.set(xlim=(-1, 3), ylim=(-1, 2), aspect="equal")
    rows = [{"x": x, "y": y, "loss": 0.000153} for x, y in places]
    sign = SimpleNamespace(short="rmsprop", marker="o", color="#000000")
    names = [plane._draw_solution(axes, row, sign) for row in rows]
    figure.draw_without_rendering()
    kept = plane._place_names(axes, names)
    assert kept  # not all are dropped
    assert set(axes.texts) == set(kept)
    boxes = [name.get_window_extent() for name in kept]
    radius = plane.MARK / 2 * figure.dpi / 72
    marks = [Bbox([centre - radius, centre + radius]) for centre in axes.transData.transform(places)]
    assert not any(one.overlaps(other) for one, other in combinations(boxes, 2))
    assert not any(box.overlaps(mark) for box in boxes for mark in marks)
    inside = axes.get_window_extent().padded(0.5)
    assert all(inside.x0 <= box.x0 and box.x1 <= inside.x1 for box in boxes)
    assert all(inside.y0 <= box.y0 and box.y1 <= inside.y1 for box in boxes)


@pytest.mark.parametrize("title", lines.WAYS.values(), ids=lines.WAYS)
def test_the_title_of_a_barrier_lies_within_its_figure(title):
    from harness_reports._draw.axes import name_y_axis
    from harness_reports._draw.svg import NARROW, house_style, new_panel

    with house_style():
        figure, axes = new_panel(2.6, NARROW)
        name_y_axis(axes, f"{title}: loss above the ends", "nats")
        figure.draw_without_rendering()
        assert axes._left_title.get_window_extent().x1 <= figure.bbox.x1


@pytest.mark.parametrize("reason", ["", "its train error is above the limit"])
def test_the_column_of_reasons_is_there_only_where_there_is_a_reason(monkeypatch, reason):
    row = {
        "arm": "a", "state": "not at a minimum" if reason else "at a minimum", "reason": reason, "train_error": 0.0, "fit": 0.01,
        "gain": -0.00002, "gain_limit": 0.02, "gradient": 0.01, "gradient_limit": 0.1,
    }  # fmt: skip
    meta = SimpleNamespace(metrics={"loss": {"unit": "nats"}})
    results = SimpleNamespace(records=SimpleNamespace(meta=meta), tables={})
    monkeypatch.setattr(gate_table, "read_gate", lambda *_: [row])
    found = gate_table.gate(results, "net", {"a": object()})
    assert found["reasons"] == bool(reason)


@pytest.mark.parametrize(
    ("gain", "limit", "text"),
    [(-0.000205, 0.0003, "none"), (0.0, 0.02, "none"), (0.00002, 0.02, "< 0.001 nats"), (0.0123, 0.02, "0.0123 nats")],
)
def test_a_gain_reads_beside_its_limit(gain, limit, text):
    assert gate_table._with_limit(gain, limit, "nats", of_gain=True)["value"] == text


def test_the_rows_of_a_figure_name_what_its_arms_differ_in():
    def names(*labels):
        looks = arm_looks({label: label for label in labels})
        table = pd.DataFrame({"arm": list(labels), "kind": "arm", "of": list(labels)})
        return [sign.short for sign in signs(table, looks).values()]

    assert names("lesson_cnn/sgd/cosine", "lesson_cnn/adam/cosine") == ["sgd/cosine", "adam/cosine"]
    assert names("sgd", "adam") == ["sgd", "adam"]
    assert names("mlp/sgd") == ["mlp/sgd"]
