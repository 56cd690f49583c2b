"""What a paper writes below a verdict: what was compared, replicates, margins, level, and the protocol by its id."""

from __future__ import annotations

from harness import numbers
from harness.verdict.measures import MEASURES, Measure
from harness.verdict.protocol import FACETS, Protocol, standing_protocol
from harness.verdict.reading import NetworkVerdict, read_verdicts
from harness_reports._words.benchmark import search_budget
from harness_reports._words.outcome import Outcome

DIGITS = 12  # of a protocol's id
TITLES = {
    "objective": "objective",
    "train_loss": "train loss",
    "accuracy": "test accuracy",
    "test_loss": "test loss",
    "function": "distances of predictions",
    "representation": "distances of features",
    "scatter": "scatter of networks",
    "barrier": "barrier in train error",
    "sharpness": "sharpness",
}  # by the key of a margin


def verdict_note(outcome: Outcome) -> str:
    """Return the sentences; "" where there is no verdict."""
    meta = outcome.records.meta
    registered, verdicts = standing_protocol(meta), read_verdicts(meta, outcome.results.tables)
    if registered is None or not verdicts:
        return ""
    protocol, networks = registered.protocol, verdicts[0].networks
    margins, looks = _margins(protocol, networks), len(protocol.looks)
    arms = numbers.joined([outcome.labels.get(arm, arm) for arm in protocol.arms])
    sentences = [
        f"Compared: {arms}",
        *(_replicates(network) for network in networks),
        (
            f"A replicate has a search of {search_budget(meta.benchmark['search'])} and "
            f"{numbers.counted(protocol.seeds, 'seed')} for each arm"
        ),
        *([f"Margins: {', '.join(margins)}"] if margins else []),
        f"Level {protocol.alpha:g}{f', all {looks} looks together' if looks > 1 else ''}",
        f"Protocol {protocol.hash[:DIGITS]}, registered {registered.when}",
    ]
    return " ".join(f"{sentence}." for sentence in sentences)


def _replicates(network: NetworkVerdict) -> str:
    """Return how many replicates of a network ended."""
    ended, promised = (int(network.row[column]) for column in ("replicates_ended", "replicates_promised"))
    return f"{network.network}: {numbers.counted(ended, 'replicate')} of {promised}"


def _margins(protocol: Protocol, networks: tuple[NetworkVerdict, ...]) -> list[str]:
    """Return the margins of the facets that were measured, each once."""
    margins: dict[str, str] = {}
    for facet in FACETS:
        if all(network.row[facet] == "not measured" for network in networks):
            continue
        for name in protocol.primaries[facet]:
            measure = MEASURES[name]
            margins.setdefault(measure.margin, f"{TITLES[measure.margin]} {_margin_size(measure, protocol)}")
    return list(margins.values())


def _margin_size(measure: Measure, protocol: Protocol) -> str:
    """Return a margin with its unit; of logarithms it is a ratio, of parts it is in points."""
    size = float(protocol.margins[measure.margin])
    if measure.is_log:
        return f"by a ratio of {size:g}"
    if measure.is_part:
        return f"{100 * size:g} points"
    return f"{size:g} {measure.unit}".rstrip()
