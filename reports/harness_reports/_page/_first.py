"""The first screen: what was asked of which data, every seed as a dot, and the five facets in a sentence each."""

from __future__ import annotations

import math
from typing import Any

from harness import numbers
from harness.verdict.reading import NetworkVerdict, read_verdicts
from harness_reports._draw.scores import seed_dots
from harness_reports._page._section import Page
from harness_reports._words import constant
from harness_reports._words.benchmark import comparison_length, search_budget, split_sizes
from harness_reports._words.coverage import draws_of, sampled_examples
from harness_reports._words.facets import facet_words
from harness_reports._words.names import metric_title
from harness_reports._words.outcome import Outcome

CLAIM = "Different optimizers reach almost the same minima."
OF_ONE_ARM = "of one arm; a difference of two has an interval of its own"
TWO_KINDS = (
    "where all seeds of an arm agree, its interval is over test examples, and the others' are over {draws}, so do not compare their "
    "lengths"
)
UNTUNED = "untuned"  # the role of an optimizer with its defaults


def first_screen(page: Page) -> dict[str, Any]:
    """Return what the first screen shows besides its doubts."""
    return {
        "headline": page.headline,
        "basis": _basis(page.outcome),
        "networks": _networks(page.outcome),
        "dots": _dots(page),
    }


def _basis(outcome: Outcome) -> str:
    """Return in a line what was run: the data, the search and the comparison."""
    meta = outcome.records.meta
    benchmark = meta.benchmark
    replicates, seeds = meta.planned_replicates, int(benchmark["compare"]["seeds"])
    seeds_of_one = f"{numbers.counted(seeds, 'seed')} of {comparison_length(benchmark)}"
    compared = f"{numbers.counted(replicates, 'replicate')} of each arm, each with {search_budget(benchmark['search'])} and {seeds_of_one}"
    return f"{meta.data['name']}: {split_sizes(outcome.records)}; {compared}."


def _networks(outcome: Outcome) -> list[dict[str, Any]]:
    """Return the facets of every network that has two arms or more, each with its word and its sentence.

    There are none where each arm has one search: that ranks the arms and asks nothing about their minima.
    """
    if outcome.records.meta.planned_replicates == 1:
        return []
    verdicts = read_verdicts(outcome.records.meta, outcome.results.tables)
    networks = [network for network in (verdicts[0].networks if verdicts else ()) if int(network.row["arms"]) > 1]
    return [
        {
            "name": network.network if len(networks) > 1 else "",
            "statement": str(network.row["statement"]),
            "exploratory": bool(network.row["exploratory"]) and network.row["statement"] == "inconclusive",
            "facets": facet_words(network, labels_in_network(outcome, network)),
        }
        for network in networks
    ]


def labels_in_network(outcome: Outcome, network: NetworkVerdict) -> dict[str, str]:
    """Return the labels of the arms without the network or its head, which stands in the heading."""
    prefixes = [f"{name}/" for name in (network.network, network.network.partition("+")[2]) if name]
    labels = {}
    for arm, label in outcome.labels.items():
        prefix = next((prefix for prefix in prefixes if label.startswith(prefix)), "")
        labels[arm] = label.removeprefix(prefix)
    return labels


def _dots(page: Page) -> dict[str, Any] | None:
    """Return the plot of every seed in the deciding metric, untuned seeds hollow; None where no run has a score."""
    outcome = page.outcome
    rows, runs = outcome.deciding_rows or [], page.records.compared()
    if not any(row["n"] for row in rows):
        return None
    done, column = runs[runs["state"] == "done"], outcome.deciding.column
    untuned = _untuned_scores(page, column)
    known = [row["constant"] for row in rows if math.isfinite(row["constant"])]
    chance = known[0] if known and constant.worth_showing(page.records, [row for row in rows if row["n"]]) else None
    title = metric_title(column)
    figure = seed_dots(done, rows, page.looks, title, f"scores-{column}", untuned, chance)
    words = ["A small mark is a seed"]
    if any(untuned.values()):
        words.append("a hollow one is a seed of the same optimizer with its defaults, untuned")
    with_interval = any(math.isfinite(row["low"]) for row in rows)
    words.append(f"the diamond is the mean{f' with its 95 % interval ({OF_ONE_ARM})' if with_interval else ''}")
    if len({bool(sampled_examples(row["covers"])) for row in rows if math.isfinite(row["low"])}) > 1:
        words.append(TWO_KINDS.format(draws=draws_of(rows)))
    if chance is not None:
        words.append(f"the dashed line is {constant.answer(page.records)}")
    return {"figure": figure, "says": f"{'; '.join(words)}."}


def _untuned_scores(page: Page, column: str) -> dict[str, list[float]]:
    """Return the score of every untuned run that ended well, by the arm whose optimizer it has."""
    runs = page.records.comparison
    if not len(runs) or column not in runs:
        return {}
    rows = runs[(runs["role"] == UNTUNED) & (runs["state"] == "done") & runs[column].notna()]
    scores: dict[str, list[float]] = {}
    for row in page.outcome.rows("untuned"):
        values = rows.loc[rows["arm"] == row["control"], column]
        scores[str(row["arm"])] = [float(value) for value in values]
    return scores
