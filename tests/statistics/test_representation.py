"""Distances between representations: the textbook's formulas written out, invariances, and known values."""

from __future__ import annotations

import numpy as np
import pytest

from harness.statistics.representation import (
    cka,
    cka_distance,
    hsic,
    procrustes,
    represent,
    within_classes,
    without_largest,
)


def textbook_hsic(x, y):
    """HSIC_1 as it is written, of activations that nobody has centred."""
    n = len(x)
    k, gram = x @ x.T, y @ y.T
    np.fill_diagonal(k, 0)
    np.fill_diagonal(gram, 0)
    one = np.ones(n)
    both = (one @ k @ one) * (one @ gram @ one) / ((n - 1) * (n - 2))
    return (np.trace(k @ gram) + both - 2 * (one @ k @ gram @ one) / (n - 2)) / (n * (n - 3))


def textbook_cka(x, y):
    return textbook_hsic(x, y) / np.sqrt(textbook_hsic(x, x) * textbook_hsic(y, y))


def biased_cka(x, y):
    """The linear CKA of Kornblith et al. 2019, which the harness does not use."""
    x, y = x - x.mean(0), y - y.mean(0)
    return np.linalg.norm(x.T @ y) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))


def of(x, y, measure=cka):
    return measure(represent(x), represent(y))


def rotation(random, p):
    return np.linalg.qr(random.standard_normal((p, p)))[0]


def related(random, n=200, p=20, q=30):
    """Two representations of the same hidden causes, with noise of their own."""
    causes = random.standard_normal((n, 5))
    return tuple(
        causes @ random.standard_normal((5, w)) + random.standard_normal((n, w)) + 3 * random.standard_normal(w)
        for w in (p, q)
    )


@pytest.fixture
def random():
    return np.random.default_rng(0)


SHAPES = [(50, 7, 7), (50, 3, 20), (20, 100, 15), (20, 15, 100), (20, 90, 120), (20, 20, 20), (4, 3, 9), (60, 1, 1)]


@pytest.mark.parametrize(("n", "p", "q"), SHAPES)
def test_both_forms_are_the_textbooks(random, n, p, q):
    """With fewer features than examples, and with more."""
    x, y = related(random, n, p, q)
    assert of(x, y, hsic) == pytest.approx(textbook_hsic(x, y), rel=1e-10, abs=1e-10 * textbook_hsic(x, x))
    assert of(x, y) == pytest.approx(textbook_cka(x, y), abs=1e-10)
    assert represent(x).own == pytest.approx(textbook_hsic(x, x), rel=1e-10)


@pytest.mark.parametrize(("n", "p", "q"), SHAPES)
def test_procrustes_is_what_the_best_rotation_leaves(random, n, p, q):
    x, y = related(random, n, p, q)
    x, y = ((each - each.mean(0)) / np.linalg.norm(each - each.mean(0)) for each in (x, y))
    width = max(p, q)
    x, y = (np.pad(each, ((0, 0), (0, width - each.shape[1]))) for each in (x, y))
    u, _, v = np.linalg.svd(x.T @ y)
    assert of(x, y, procrustes) == pytest.approx(np.linalg.norm(x @ u @ v - y), abs=1e-7)


@pytest.mark.parametrize("p", [20, 300])
def test_rotation_scale_and_shift_are_not_seen(random, p):
    x = random.standard_normal((100, p)) * np.linspace(0.1, 3, p)
    y = 7.5 * x @ rotation(random, p) + random.standard_normal(p)
    assert of(x, y) == pytest.approx(1, abs=1e-12)
    assert of(x, y, procrustes) == pytest.approx(0, abs=1e-6)
    assert cka_distance(of(x, y)) == pytest.approx(0, abs=1e-6)
    other = related(random, 100, p, p)[0]
    assert of(y, other) == pytest.approx(of(x, other), abs=1e-12)
    assert of(y, other, procrustes) == pytest.approx(of(x, other, procrustes), abs=1e-12)


def test_a_stretch_of_some_directions_is_seen(random):
    x = random.standard_normal((200, 10))
    y = x * np.geomspace(0.1, 10, 10)
    assert of(x, y) < 0.8
    assert of(x, y, procrustes) > 0.3


def test_both_are_symmetric_and_procrustes_is_a_metric(random):
    x, y = related(random)
    z = random.standard_normal((200, 12))
    assert of(x, y) == pytest.approx(of(y, x), abs=1e-12)
    sides = [of(*pair, procrustes) for pair in ((x, y), (y, z), (x, z))]
    assert of(y, x, procrustes) == pytest.approx(sides[0], abs=1e-12)
    assert sides[2] <= sides[0] + sides[1]
    assert max(sides) <= np.sqrt(2)


@pytest.mark.parametrize(("p", "biased"), [(100, 0.502), (1000, 0.909)])
def test_unrelated_gaussians_look_alike_to_the_biased_cka_alone(p, biased):
    random = np.random.default_rng(0)
    pairs = [[random.standard_normal((100, p)) for _ in "xy"] for _ in range(10)]
    assert np.mean([biased_cka(*pair) for pair in pairs]) == pytest.approx(biased, abs=0.005)
    assert np.sqrt(p * p / ((100 + p) * (100 + p))) == pytest.approx(biased, abs=0.003)
    assert np.mean([of(*pair) for pair in pairs]) == pytest.approx(0, abs=0.005)


def test_one_far_example_decides_the_cka_and_is_left_out(random):
    x = random.standard_normal((1000, 20))
    y = x @ rotation(random, 20)
    assert of(x, y) == pytest.approx(1)
    far = x.copy()
    far[17] += 1e3  # of one of the two alone
    assert of(far, y) < 0.05
    assert cka(*without_largest(represent(far), represent(y))) == pytest.approx(1)
    assert cka(*without_largest(represent(y), represent(far))) == pytest.approx(1)


def test_the_examples_left_out_are_those_far_in_either(random):
    x, y = related(random, 300)
    one, other = without_largest(represent(x), represent(y), part=0.02)
    norms = [np.linalg.norm(each - each.mean(0), axis=1) for each in (x, y)]
    kept = [row for row in range(300) if all((each > each[row]).sum() >= 6 for each in norms)]
    assert len(one.rows) == len(other.rows) == len(kept)
    assert cka(one, other) == pytest.approx(textbook_cka(x[kept], y[kept]), abs=1e-10)


@pytest.mark.parametrize("level", [0.0, 0.1, 1e6])
def test_what_says_the_same_of_all_examples_has_no_distance(random, level):
    x, same = random.standard_normal((30, 4)), np.full((30, 3), level)
    assert np.isnan(of(x, same))
    assert np.isnan(of(x, same, procrustes))
    assert np.isnan(cka_distance(of(x, same)))


@pytest.mark.parametrize("given", [np.ones((3, 5)), np.ones(12), np.ones((5, 2, 2))])
def test_what_is_no_table_of_four_examples_is_refused(given):
    with pytest.raises(ValueError, match=r"activations: must be \[n, p\]( of 4 examples or more)?, got \["):
        represent(given)


# --- within classes


def within(x, labels):
    return within_classes(represent(x), labels)


def class_means(random, labels, width=20):
    """Return activations [n, width] that say nothing but the class, far apart."""
    return 5 * random.standard_normal((max(labels) + 1, width))[labels]


def pooled_square(x, y, labels):
    """The squared length of the pooled covariance without bias, written out: a mean over pairs of different examples."""
    known, n = np.unique(labels), len(labels)
    total = 0.0
    for one in known:
        for other in known:
            a, b = (np.flatnonzero(labels == label) for label in (one, other))
            weight = (len(a) - 1) * (len(b) - 1) / (n - len(known)) ** 2
            if one == other:
                total += weight * textbook_hsic(x[a], y[a])
            else:
                covariances = [(x[r] - x[r].mean(0)).T @ (y[r] - y[r].mean(0)) / (len(r) - 1) for r in (a, b)]
                total += weight * (covariances[0] * covariances[1]).sum()
    return total


@pytest.mark.parametrize(("p", "q"), [(5, 8), (60, 9), (70, 90)])
def test_within_classes_it_is_the_estimate_written_out(random, p, q):
    labels = np.repeat([2, 0, 7], [9, 21, 14])[random.permutation(44)]
    x, y = related(random, 44, p, q)
    found = hsic(within(x, labels), within(y, labels))
    assert found == pytest.approx(pooled_square(x, y, labels), rel=1e-9)
    expected = found / np.sqrt(pooled_square(x, x, labels) * pooled_square(y, y, labels))
    assert cka(within(x, labels), within(y, labels)) == pytest.approx(expected, rel=1e-9)


def test_one_class_is_the_whole(random):
    x, y = related(random)
    labels = np.full(200, 3)
    for measure in (hsic, cka, procrustes):
        assert measure(within(x, labels), within(y, labels)) == pytest.approx(of(x, y, measure), rel=1e-12)


def test_equal_means_of_classes_hide_what_is_within_them(random):
    labels = np.arange(400) % 10
    means = class_means(random, labels)
    x, y = (means + random.standard_normal(means.shape) for _ in "xy")
    assert of(x, y) > 0.97
    assert cka(within(x, labels), within(y, labels)) == pytest.approx(0, abs=0.03)
    assert procrustes(within(x, labels), within(y, labels)) > 1 > 3 * of(x, y, procrustes)


def test_other_means_of_classes_are_not_seen(random):
    labels = np.arange(400) % 10
    x = random.standard_normal((400, 20))
    y = 3 * x @ rotation(random, 20) + class_means(random, labels)
    assert of(x, y) < 0.5
    assert cka(within(x, labels), within(y, labels)) == pytest.approx(1, abs=1e-9)
    assert procrustes(within(x, labels), within(y, labels)) < 1e-6


def test_unrelated_structure_within_small_classes_is_not_taken_for_related(random):
    """Taking the means away alone would leave a CKA of .07 here, because it makes the examples depend on each other."""
    labels = np.arange(60) % 6
    pairs = [[within(random.standard_normal((60, 50)), labels) for _ in "xy"] for _ in range(100)]
    values = [cka(one, other) for one, other in pairs]
    assert np.mean(values) == pytest.approx(0, abs=3 * np.std(values) / 10)
    assert np.mean([cka(represent(one.rows), represent(other.rows)) for one, other in pairs]) > 0.05


@pytest.mark.parametrize("width", [3, 30])
def test_of_a_representation_that_is_the_labels_nothing_is_left(random, width):
    labels = np.arange(40) % 4
    collapsed = (class_means(random, labels, width) + 1e-6 * random.standard_normal((40, width))).astype(np.float32)
    other = random.standard_normal((40, 7))
    for measure in (cka, procrustes):
        assert np.isnan(measure(within(collapsed, labels), within(other, labels)))
        assert np.isnan(measure(within(collapsed, labels), within(collapsed, labels)))


def test_classes_of_fewer_than_four_examples_are_left_out(random):
    x, y = related(random, 30)
    labels = np.array([0] * 14 + [1] * 3 + [2] * 13)
    known = labels != 1
    found = [cka(within(x[r], labels[r]), within(y[r], labels[r])) for r in (known, slice(None))]
    means = [within(each, labels) for each in (x, y)]
    assert means[0].sizes == (14, 13)
    assert found[0] == pytest.approx(found[1], rel=1e-9)
    with pytest.raises(ValueError, match="labels: must have 4 examples or more of a class, got 3 at most"):
        within(x, np.arange(30) // 3)


def test_the_largest_are_left_out_class_by_class(random):
    x, y = related(random, 300)
    labels = np.arange(300) % 3
    x[17] += 1e3
    rest, other = without_largest(within(x, labels), within(y, labels))
    assert sum(rest.sizes) == len(rest.rows) == len(other.rows)
    for start, size in zip(np.cumsum((0, *rest.sizes)), rest.sizes, strict=False):
        assert np.abs(rest.rows[start : start + size].mean(0)).max() < 1e-12


@pytest.mark.parametrize(
    ("labels", "line"),
    [
        (np.arange(29) % 3, r"labels: must be \[30\], one an example, got \[29\]"),
        (np.full(30, 0.5), r"labels: must be whole numbers, got \[30\] with others among them"),
        (np.full(30, np.nan), r"labels: must be whole numbers, got \[30\] with others among them"),
    ],
)
def test_labels_that_are_none_are_refused(random, labels, line):
    with pytest.raises(ValueError, match=line):
        within(random.standard_normal((30, 4)), labels)


def test_what_is_without_means_is_not_compared_with_what_has_them(random):
    x, labels = random.standard_normal((30, 4)), np.arange(30) % 3
    with pytest.raises(ValueError, match="other: must be without the means of the same classes as one is"):
        cka(represent(x), within(x, labels))
