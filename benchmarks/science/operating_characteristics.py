"""Measure how often the verdict's rules say which word, on comparisons whose truth is known.

    python benchmarks/science/operating_characteristics.py [--worlds 300] [--tables words margin ...]

Every comparison is drawn by ``_worlds.py`` and judged by the harness's own analyses, records and tables included. What is
compared is the test accuracy of three arms, with a margin of half a point. An arm scatters over seeds by .55 points, of
which arms of one seed share .6 of the variance, and over searches by .3 or .5 points.

- ``words``: how often equal arms are called similar or different, and an arm at twice the margin different.
- ``margin``: the same where one arm lies on the margin, so that both words are wrong, with searches that are normal, have
  heavy tails (t3) or are skewed, and with an arm that scatters three times as widely.
- ``contradictions``: how often two repeats of one comparison say "similar" and "different".
- ``facets``: every facet, by one look at six replicates, for the controls that have a known answer.
- ``power``: how likely "similar" was said to be of identical arms, and how often it came, by facet and for the statement.

A share of 300 worlds is known to about .03 (one standard error at .5), and to .013 at .05.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from _worlds import ACCURACY_ALONE, Accuracy, Everything, Rules, course_of, word_on_accuracy

from harness.statistics.power import supported
from harness.verdict.course import Course
from harness.verdict.judging import Examined
from harness.verdict.power import BARRIER, course_power, measured_scatters
from harness.verdict.protocol import FACETS

STATEMENT = "all facets"
LOOKS = (6, 9, 12, 16, 24)
RULES = {
    "looks 6 to 24, margin .5 points": Rules(LOOKS, ACCURACY_ALONE),
    "one look at 6, margin 1 point": Rules((6,), ACCURACY_ALONE, {"accuracy": 0.01}),
    "one look at 6, margin .5 points": Rules((6,), ACCURACY_ALONE),
}
SEARCHES = (0.003, 0.005)  # SD of searches
CONTROLS = {
    "one optimizer as three arms": Everything(),
    "one arm's scatter x 2": Everything(wider=dict.fromkeys(("function", "representation"), 2.0)),
    "every pair 45 % apart": Everything(barrier=0.45),
    "an arm's logits x 2.5": Everything(hotter=2.5),
    "one arm far away": Everything(away=dict.fromkeys(("loss", "function", "representation", "geometry"), 30.0)),
}


def shares(found: Iterable[str]) -> Counter[str]:
    """Return the share of each word."""
    counts = Counter(found)
    total = sum(counts.values())
    return Counter({word: count / total for word, count in counts.items()})


def repeat(worlds: int, scatter: Accuracy, rules: Rules, ahead: Sequence[float] = (), wider: float = 1.0) -> list[str]:
    """Return the word on each of so many comparisons; equal arguments give equal words."""
    random = np.random.default_rng(0)
    return [word_on_accuracy(random, scatter, rules, ahead, wider) for _ in range(worlds)]


def show_words(worlds: int) -> None:
    """Print how often each rule says which word of equal arms, and of an arm at twice the margin."""
    print("rule; SD of searches; equal: similar, different; 2 x margin: different; 4 x margin: different")
    for name, rules in RULES.items():
        margin = rules.margins.get("accuracy", 0.005)
        for searches in SEARCHES:
            scatter = Accuracy(searches)
            equal, twice, four = (shares(repeat(worlds, scatter, rules, (k * margin,))) for k in (0, 2, 4))
            print(
                f"{name}; {100 * searches:.1f}; {equal['similar']:.2f}, {equal['different']:.2f}; {twice['different']:.2f}; "
                f"{four['different']:.2f}",
                flush=True,
            )


def show_margin(worlds: int) -> None:
    """Print how often each rule says either word, which is wrong, of an arm on the margin."""
    print("rule; searches; SD of searches; similar, different (both wrong)")
    for name, rules in RULES.items():
        margin = rules.margins.get("accuracy", 0.005)
        for shape, wider in (("normal", 1.0), ("t3", 1.0), ("skewed", 1.0), ("normal", 3.0)):
            for searches in SEARCHES:
                scatter = Accuracy(searches, shape=shape)
                found = shares(repeat(worlds, scatter, rules, (margin,), wider))
                what = shape if wider == 1 else f"{shape}, one arm {wider:g} times as widely"
                print(
                    f"{name}; {what}; {100 * searches:.1f}; {found['similar']:.3f}, {found['different']:.3f}",
                    flush=True,
                )


def show_contradictions(worlds: int) -> None:
    """Print how often two repeats of one comparison say opposite words, by how far one arm is ahead."""
    print("SD of searches; ahead by, in margins; similar; different; two repeats contradict each other")
    rules = RULES["looks 6 to 24, margin .5 points"]
    for searches in SEARCHES:
        for ahead in (0.0, 0.5, 1.0, 1.5, 2.0):
            found = shares(repeat(worlds, Accuracy(searches), rules, (0.005 * ahead,)))
            both = 2 * found["similar"] * found["different"]
            print(
                f"{100 * searches:.1f}; {ahead:g}; {found['similar']:.3f}; {found['different']:.3f}; {both:.4f}",
                flush=True,
            )


def show_facets(worlds: int) -> None:
    """Print the words of every facet for the controls with a known answer."""
    for name, drawn in CONTROLS.items():
        random = np.random.default_rng(0)
        found = [words_of(course_of(drawn.draw(random), Rules())) for _ in range(worlds)]
        print(name, flush=True)
        for facet in found[0]:
            print(
                f"  {facet}: "
                + ", ".join(f"{word} {share:.2f}" for word, share in shares(w[facet] for w in found).items())
            )


def show_power(worlds: int) -> None:
    """Print how likely identical arms were said to be similar, at the only look of each world, and how often they were.

    What 24 replicates announce for the same look is nearly free of the luck of the few that a run has. It is the mean over 20
    comparisons, because how widely networks scatter depends on the test split too.
    """
    print("replicates; facet; share similar; announced: mean, SD; announced from 24 replicates")
    random = np.random.default_rng(1)
    long = [course_of(Everything(replicates=24).draw(random), Rules((24,))).last for _ in range(20)]
    for replicates in (6, 12):
        random, rules = np.random.default_rng(0), Rules((replicates,))
        courses = (course_of(Everything(replicates=replicates).draw(random), rules) for _ in range(worlds))
        similar, announced = zip(*map(similar_and_announced, courses), strict=True)
        known = [probabilities(last, rules.looks) for last in long]
        for facet in known[0]:
            said = [each[facet] for each in announced]
            share = np.mean([each[facet] for each in similar])
            print(
                f"{replicates}; {facet}; {share:.2f}; {np.mean(said):.2f}, {np.std(said):.2f}; "
                f"{np.mean([each[facet] for each in known]):.2f}",
                flush=True,
            )


def similar_and_announced(course: Course) -> tuple[dict[str, bool], dict[str, float]]:
    """Return which facets of a course are similar, and how probable its first look says that this is for identical arms."""
    similar = {facet: word == "similar" for facet, word in words_of(course).items()}
    announced = probabilities(course.looks[0], course.network.protocol.looks)
    return {**similar, STATEMENT: all(similar.values())}, {**announced, STATEMENT: course_power(course)}


def probabilities(first: Examined, looks: Sequence[int]) -> dict[str, float]:
    """Return how probable "similar" is for identical arms in every facet, and in all of them."""
    power = supported(measured_scatters(first), len(first.network.arms), looks)
    facets = dict(power.similar)
    facets["connectivity"] *= facets.pop(BARRIER)
    return {**facets, STATEMENT: power.supported}


def words_of(course: Course) -> dict[str, str]:
    """Return the word of every facet."""
    return {facet: course.word(facet) for facet in FACETS}


TABLES = {
    "words": show_words,
    "margin": show_margin,
    "contradictions": show_contradictions,
    "facets": show_facets,
    "power": show_power,
}


def main() -> None:
    """Print the tables that were asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=300, help="comparisons for each number")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=list(TABLES))
    asked = parser.parse_args()
    for name in asked.tables:
        TABLES[name](asked.worlds)
        print()


if __name__ == "__main__":
    main()
