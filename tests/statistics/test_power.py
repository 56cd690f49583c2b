"""The power of the whole statement: against theory, and against the statistics of the verdict one world at a time."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from scipy import integrate, stats

from harness.statistics import paired, pairwise
from harness.statistics.labels import holm
from harness.statistics.looks import levels
from harness.statistics.power import replicates_for_better, supported
from harness.statistics.scatter import DistancesScatter, NumbersScatter, cloud_parts, distances_scatter

LOG_RHO, LOG_SCATTER = math.log(1.10), math.log(1.25)


def numbers(*sds, margins, correlation=0.0):
    covariance = np.diag(np.square(sds))
    for i, j in combinations(range(len(sds)), 2):
        covariance[i, j] = covariance[j, i] = correlation * sds[i] * sds[j]
    return NumbersScatter(tuple(map(tuple, covariance.tolist())), tuple(margins))


def cloud_scatter(d, measures=1, correlation=1.0):
    networks, pairs = cloud_parts(1 / math.sqrt(2 * d))
    return DistancesScatter(
        (1.0,) * measures, (networks,) * measures, (pairs,) * measures, correlation, (), LOG_RHO, LOG_SCATTER
    )


@pytest.mark.parametrize(("sd", "replicates"), [(0.5, 6), (0.8, 12), (1.2, 12), (1.2, 24)])
def test_two_arms_and_one_number_have_the_power_of_theory(sd, replicates):
    """P(|d| + t se < margin), where se^2 is a chi-square: an integral over se."""
    true_se = sd * math.sqrt(2 / replicates)
    reach = stats.t.ppf(0.95, replicates - 1)
    free = replicates - 1

    def at(share):  # of se over the true one
        width = (1.0 - reach * share * true_se) / true_se
        inside = 2 * stats.norm.cdf(width) - 1 if width > 0 else 0.0
        return inside * stats.chi2.pdf(free * share**2, free) * 2 * free * share

    expected = integrate.quad(at, 0, 5)[0]
    found = supported({"loss": numbers(sd, margins=[1.0])}, 2, [replicates])
    assert found.similar["loss"] == pytest.approx(expected, abs=0.03)


def test_the_statement_is_as_probable_as_all_facets_together():
    facets = {"loss": numbers(1.0, margins=[1.0]), "geometry": numbers(0.9, margins=[1.0])}
    found = supported(facets, 3, [9, 16])
    assert found.supported == pytest.approx(found.similar["loss"] * found.similar["geometry"])
    assert 0.1 < found.supported < found.similar["loss"] < found.similar["geometry"] < 0.95


@pytest.mark.parametrize(("level", "word"), [(-9.0, "floor"), (0.0, "margin"), (200.0, "margin")])
def test_numbers_far_below_their_floor_are_always_similar_and_far_above_it_only_by_their_ratio(level, word):
    """Logarithms that scatter by 1.2: at exp(-9) any two of them lie within .05, and at 1 hardly any do."""
    plain = numbers(1.2, margins=[1.0])
    found = supported({"geometry": replace(plain, means=(level,), floors=(0.05,))}, 3, [9, 12])
    assert found.supported == (1.0 if word == "floor" else supported({"geometry": plain}, 3, [9, 12]).supported)


def test_more_looks_more_arms_and_more_measures_cost_power():
    one = numbers(1.0, margins=[1.0])
    two, alike = (numbers(1.0, 1.0, margins=[1.0, 1.0], correlation=r) for r in (0.0, 0.999))
    probability = {
        name: supported({"loss": scatter}, arms, looks).supported
        for name, scatter, arms, looks in (
            ("plain", one, 2, [12]), ("looks", one, 2, [6, 9, 12]), ("arms", one, 4, [12]), ("two", two, 2, [12]),
            ("alike", alike, 2, [12]),
        )
    }  # fmt: skip
    assert max(probability["looks"], probability["arms"], probability["two"]) < probability["plain"] - 0.03
    assert probability["two"] + 0.03 < probability["alike"] == pytest.approx(probability["plain"], abs=0.04)


def cloud(random, arms, replicates, d, shared=0.0):
    """Return points [k, R, d] of which the arms of one replicate share a part of the variance."""
    common, own = (random.standard_normal((count, replicates, d)) for count in (1, arms))
    return math.sqrt(shared) * common + math.sqrt(1 - shared) * own


def distances_of(points):
    """Return the distances [k, R, R] within the arms, and those [P, R, R] between the arms of every pair."""
    far = np.linalg.norm(points[:, :, None, None] - points[None, None], axis=-1)
    pairs = combinations(range(len(points)), 2)
    return np.stack([far[a, :, a] for a in range(len(points))]), np.stack([far[a, :, b] for a, b in pairs])


def judged_one_by_one(worlds, arms, looks, d, seed, shared=0.0):
    """Return the share of worlds whose function is similar, by the functions that the verdict calls."""
    random, similar = np.random.default_rng(seed), 0
    for _ in range(worlds):
        points = cloud(random, arms, looks[-1], d, shared)
        far = np.linalg.norm(points[:, :, None, None] - points[None, None], axis=-1)
        for replicates, level in zip(looks, levels(looks), strict=True):
            same, different = [], []
            for a, b in combinations(range(arms), 2):
                blocks = [far[i, :replicates, j, :replicates] for i, j in ((a, a), (b, b), (a, b))]
                rho = pairwise.jackknife(*blocks)
                ratio = pairwise.jackknife(*blocks, pairwise.log_scatter)
                same += [pairwise.equivalence_p(rho, LOG_RHO), paired.equivalence_p(ratio, LOG_SCATTER)]
                different += [pairwise.minimum_effect_p(rho, LOG_RHO), paired.minimum_effect_p(ratio, LOG_SCATTER)]
            if max(same) < level or min(holm(different)) < level:
                similar += max(same) < level
                break
    return similar / worlds


@pytest.mark.parametrize(("arms", "looks", "d"), [(2, [6], 60), (3, [4, 6, 9], 60), (2, [12], 20)])
def test_clouds_have_the_power_that_the_verdict_gives_them(arms, looks, d):
    expected = judged_one_by_one(150, arms, looks, d, seed=d)
    found = supported({"function": cloud_scatter(d)}, arms, looks).supported
    assert 0.05 < expected < 0.95
    assert found == pytest.approx(expected, abs=0.05 + 2 * math.sqrt(expected * (1 - expected) / 150))


@pytest.mark.parametrize("shared", [0.0, 0.3, 0.7])
def test_the_scatter_of_a_look_gives_the_power_of_the_truth(shared):
    """What the arms share narrows B / W, so much of it gives much more power than the scatter within an arm alone."""
    within, across = distances_of(cloud(np.random.default_rng(0), 8, 80, 50, shared))
    margins = {"log_rho": LOG_RHO, "log_scatter": LOG_SCATTER}
    measured = distances_scatter(np.stack([within, 2 * within]), np.stack([across, 2 * across]), **margins)
    expected = judged_one_by_one(150, 3, [6], 50, seed=1, shared=shared)
    error = math.sqrt(expected * (1 - expected) / 150)
    assert supported({"function": measured}, 3, [6]).supported == pytest.approx(expected, abs=0.05 + 2 * error)
    blind = replace(measured, network_correlation=0.0, point_correlation=0.0)
    assert (supported({"function": blind}, 3, [6]).supported < expected - 0.15) == (shared > 0.5)


@pytest.mark.parametrize("arms", [2, 3])
def test_arms_that_share_all_of_a_replicate_are_always_similar(arms):
    """Their distances are then equal, so B = W and W_a = W_b to the last bit, however widely the networks scatter."""
    same = replace(cloud_scatter(2), network_correlation=1.0, point_correlation=1.0)
    assert supported({"function": same}, arms, [6]).supported == 1.0
    assert supported({"function": cloud_scatter(2)}, arms, [6]).supported < 0.1


def test_what_the_arms_share_has_a_part_in_the_barrier_between_them():
    """B is then the mean over networks that are alike: its variance is that of 2 R networks at 0, and of R at 1."""
    barrier = DistancesScatter((0.05,), (0.01,), (0.0,), between=0.065)
    shares = [
        supported({"c": replace(barrier, network_correlation=a)}, 2, [6]).supported for a in (-1.0, 0.0, 0.5, 1.0)
    ]
    assert shares[0] == 1.0
    assert shares == sorted(shares, reverse=True)
    parts = 0.01 * np.random.default_rng(0).standard_normal((400, 6))
    barriers = [0.05 + part[:, None] + part for part in parts]
    low = [pairwise.jackknife(table, table, table, pairwise.between).high < 0.065 for table in barriers]
    assert shares[3] == pytest.approx(np.mean(low), abs=0.08)


def test_fewer_pairs_show_less():
    shown = [
        supported({"f": replace(cloud_scatter(60), apart=apart)}, 2, [8]).supported for apart in (1, 2, 4, 7, None)
    ]
    assert shown[0] < shown[1] < shown[2] < shown[3] == shown[4]


@pytest.mark.parametrize("shared", [0.0, 0.4])
@pytest.mark.parametrize("measures", [2, 3])
def test_measures_that_say_the_same_have_the_power_of_one_and_independent_ones_the_product(measures, shared):
    def power(count, correlation):
        scatter = replace(cloud_scatter(12, count, correlation), log_scatter=math.inf, point_correlation=shared)
        return supported({"function": scatter}, 2, [6], worlds=3000).supported

    one = power(1, 1.0)
    assert 0.3 < one < 0.9
    assert power(measures, 1.0) == pytest.approx(one, abs=0.03)
    assert power(measures, 0.0) == pytest.approx(one**measures, abs=0.03)


def test_barriers_below_their_floor_are_similar_and_high_ones_are_not_connected():
    def connectivity(mean, floor=0.0):
        scatter = DistancesScatter((mean,), (0.002,), (0.004,), floors=(floor,), excess=0.02, between=0.02)
        return supported({"connectivity": scatter}, 2, [6]).supported

    assert connectivity(0.45) == 0.0
    assert connectivity(0.004) > 0.95
    assert connectivity(0.0) == 1.0
    assert connectivity(0.004, floor=0.5) == 1.0


def test_what_does_not_scatter_is_similar_and_what_is_not_known_has_no_power():
    assert supported({"loss": numbers(0.0, margins=[1.0])}, 3, [6]).supported == 1.0
    assert supported({"loss": numbers(1.0, margins=[1.0])}, 3, [2]).supported == 0.0
    assert math.isnan(supported({"loss": numbers(math.nan, margins=[1.0])}, 3, [6]).supported)
    assert supported({}, 3, [6]).supported == 1.0


def test_pairs_for_a_probability_are_those_of_noether():
    assert replicates_for_better() == 29  # 28.86
    assert replicates_for_better(0.9) < 29 < replicates_for_better(0.6)
