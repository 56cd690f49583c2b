"""Ranks over backbones: Demsar's own example, invariants, and the diagram's groups."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from harness_plugins.analyses.scores import ranks
from harness_reports import html
from harness_reports._draw.ranks import cliques
from harness_reports._page._section import Page
from harness_reports._page.ranks import ranks as section

# Demsar 2006, JMLR 7, table 6: area under the curve of four classifiers on fourteen datasets (of the two that he prints
# as 0.975 he ranks the first higher)
AUC = np.array(
    [
        [0.763, 0.768, 0.771, 0.798], [0.599, 0.591, 0.590, 0.569], [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657], [0.882, 0.888, 0.886, 0.898], [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685], [0.583, 0.583, 0.563, 0.625], [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000], [0.940, 0.962, 0.965, 0.962], [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9752, 0.975], [0.957, 0.978, 0.946, 0.970],
    ]
)  # fmt: skip
OPTIMIZERS = ("a", "b", "c", "d")


def over_backbones(make_records: Any, values: Any, seeds: int = 2) -> Any:
    """Return records of an arm per optimizer and backbone with these test accuracies ``[backbones, optimizers]``."""
    base = make_records(["sgd"], seeds=seeds, epochs=1, trials=1)
    arms, runs = [], []
    for i, line in enumerate(values):
        for optimizer, value in zip(OPTIMIZERS, line, strict=False):
            arm = f"net{i}/{optimizer}/cosine"
            arms.append({**base.arms.iloc[0].to_dict(), "arm": arm, "backbone": f"net{i}", "optimizer": optimizer})
            for seed in range(seeds):
                about = {"arm": arm, "run_id": f"{arm}-{seed}", "seed": seed}
                spread = 0.001 * (seed - (seeds - 1) / 2)  # its mean stays
                runs.append({**base.runs.iloc[0].to_dict(), **about, "test_accuracy": value + spread})
    meta = replace(base.meta, arms=[each["arm"] for each in arms], spaces={})
    none = {"trials": base.trials.iloc[:0], "epochs": base.epochs.iloc[:0]}
    return replace(base, meta=meta, arms=pd.DataFrame(arms), runs=pd.DataFrame(runs), **none)


def test_demsars_example(make_records: Any) -> None:
    table = ranks.compute(over_backbones(make_records, AUC)).set_index("ranked")
    found = [table.loc[f"{name}/cosine", "mean_rank"] for name in OPTIMIZERS]
    assert found == pytest.approx([3.143, 2.000, 2.893, 1.964], abs=5e-4)
    first = table.iloc[0]
    assert first["chi2"] == pytest.approx(9.28, abs=5e-3)
    assert first["f"] == pytest.approx(3.69, abs=5e-3)
    assert first["critical_difference"] == pytest.approx(1.25, abs=5e-3)
    assert first["blocks"] == 14


def test_order_of_blocks_and_monotone_scales_change_nothing(make_records: Any) -> None:
    once = ranks.compute(over_backbones(make_records, AUC))
    pd.testing.assert_frame_equal(once, ranks.compute(over_backbones(make_records, AUC[::-1])))
    pd.testing.assert_frame_equal(once, ranks.compute(over_backbones(make_records, AUC**3, seeds=1)))


def test_seeds_are_no_blocks(make_records: Any) -> None:
    few = over_backbones(make_records, AUC[: ranks.FEWEST - 1], seeds=8)
    assert ranks.compute(few).empty
    assert ranks.compute_pairs(few).empty
    assert len(ranks.compute(over_backbones(make_records, AUC[: ranks.FEWEST]))) == 4


def test_one_order_everywhere_is_no_chance(make_records: Any) -> None:
    values = np.tile([0.9, 0.8, 0.7, 0.6], (6, 1))
    table = ranks.compute(over_backbones(make_records, values))
    assert table["mean_rank"].tolist() == [1, 2, 3, 4]
    assert table["p"].iloc[0] == 0
    pairs = ranks.compute_pairs(over_backbones(make_records, values))
    assert pairs["p"].tolist() == pytest.approx([2 / 2**6] * 6)  # the exact smallest p of six signs
    assert pairs["p_holm"].min() == pytest.approx(6 * 2 / 2**6)
    beyond = pairs.loc[pairs["beyond"], ["one", "other"]].to_numpy().tolist()  # 2.569 sqrt(20 / 36) = 1.92 ranks
    assert beyond == [["a/cosine", "c/cosine"], ["a/cosine", "d/cosine"], ["b/cosine", "d/cosine"]]


def test_equal_everywhere_is_chance(make_records: Any) -> None:
    table = ranks.compute(over_backbones(make_records, np.full((6, 4), 0.9)))
    assert table["mean_rank"].tolist() == [2.5] * 4
    assert table["p"].iloc[0] == 1
    assert set(ranks.compute_pairs(over_backbones(make_records, np.full((6, 4), 0.9)))["p"]) == {1.0}


def test_who_diverged_is_last_and_who_has_not_run_costs_the_block(make_records: Any, spoiled: Any) -> None:
    records = over_backbones(make_records, np.tile([0.9, 0.8, 0.7, 0.6], (7, 1)))
    lost = spoiled(records, "net0/a/cosine", [0, 1])
    table = ranks.compute(lost).set_index("ranked")
    assert table.loc["a/cosine", "mean_rank"] == pytest.approx((6 * 1 + 4) / 7)
    waiting = replace(records, runs=records.runs[records.runs["arm"] != "net0/a/cosine"])
    table = ranks.compute(waiting)
    assert (table["blocks"].iloc[0], table["left_out"].iloc[0]) == (6, 1)
    assert table["mean_rank"].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("places", "distance", "expected"),
    [
        ([1.0, 2.0, 3.0, 4.0], 0.5, []),
        ([1.0, 2.0, 3.0, 4.0], 1.5, [(0, 1), (1, 2), (2, 3)]),
        ([1.0, 2.0, 3.0, 4.0], 2.0, [(0, 2), (1, 3)]),
        ([1.0, 2.0, 3.0, 4.0], 9.0, [(0, 3)]),
        ([1.0, 1.1, 3.0], 0.5, [(0, 1)]),
    ],
)
def test_groups_are_the_longest(places: list[float], distance: float, expected: list[tuple[int, int]]) -> None:
    assert cliques(places, distance) == expected


def test_the_page_has_the_diagram_where_there_are_enough_backbones(make_records: Any, analysed: Any) -> None:
    records = over_backbones(make_records, AUC)
    results = analysed(records)
    tables = {**results.tables, "ranks": ranks.compute(records), "rank_pairs": ranks.compute_pairs(records)}
    shown = section(Page.of(replace(results, tables=tables)))
    assert shown is not None
    assert (shown["blocks"], shown["distance"], len(shown["pairs"])) == (14, "1.25", 6)
    assert [row["beyond"] for row in shown["pairs"]] == ["no"] * 6  # 3.143 - 1.964 is below 1.25
    assert re.findall(r"\b[abcd]  \d\.\d\d", shown["figure"]) == ["d  1.96", "b  2.00", "c  2.89", "a  3.14"]
    assert section(Page.of(results)) is None
    assert 'id="ranks"' in html.render(replace(results, tables=tables))
    assert 'id="ranks"' not in html.render(results)


def over_workloads(make_records: Any, values: Any) -> dict[str, Any]:
    """Return records by workload, of an arm per optimizer with these test accuracies ``[workloads, optimizers]``."""
    return {f"w{i}": over_backbones(make_records, [line]) for i, line in enumerate(values)}


def test_demsars_example_over_workloads(make_records: Any) -> None:
    """The blocks are the workloads, and the pairs are tested by their ranks, which have one unit."""
    workloads = over_workloads(make_records, AUC)
    pd.testing.assert_frame_equal(ranks.across(workloads), ranks.compute(over_backbones(make_records, AUC)))
    pairs = ranks.pairs_across(workloads).set_index(["one", "other"])
    by_block = ranks.ranked(AUC)
    expected = ranks.wilcoxon(-by_block[:, 3], -by_block[:, 0])
    assert pairs.loc[("d/cosine", "a/cosine"), "p"] == pytest.approx(expected)


def test_fewer_than_six_workloads_have_no_ranks_however_many_seeds_they_have(make_records: Any) -> None:
    workloads = over_workloads(make_records, AUC[:5])
    assert ranks.across(workloads).empty
    assert ranks.pairs_across(workloads).empty
    assert ranks.across({}).empty


def test_a_workload_with_several_networks_is_one_block(make_records: Any) -> None:
    workloads = over_workloads(make_records, AUC[:6])
    workloads["w5"] = over_backbones(make_records, AUC[5:9])
    table = ranks.across(workloads).set_index("ranked")
    by_block = ranks.ranked(AUC)
    last = ranks.ranked(-by_block[5:9].mean(axis=0, keepdims=True))
    expected = np.concatenate([by_block[:5], last]).mean(axis=0)
    assert table["blocks"].iloc[0] == 6
    assert [table.loc[f"{name}/cosine", "mean_rank"] for name in OPTIMIZERS] == pytest.approx(expected)


def test_an_unfinished_workload_is_left_out_and_so_is_an_optimizer_that_one_lacks(make_records: Any) -> None:
    workloads = over_workloads(make_records, AUC[:7])
    runs = workloads["w6"].runs
    waiting = runs.assign(
        state=np.where(runs["arm"] == "net0/a/cosine", "waiting", runs["state"]), test_accuracy=np.nan
    )
    workloads["w6"] = replace(workloads["w6"], runs=waiting)
    assert ranks.across(workloads)[["blocks", "left_out"]].iloc[0].tolist() == [6, 1]
    workloads = over_workloads(make_records, AUC[:6]) | over_workloads(make_records, AUC[:1, :3])
    assert set(ranks.across(workloads)["ranked"]) == {"a/cosine", "b/cosine", "c/cosine"}
