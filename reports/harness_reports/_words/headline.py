"""The headline: the question of a benchmark, and as much of an answer as its seeds and its test examples support.

Every report and ``harness show`` take their sentences from here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harness import numbers
from harness.results.tables.against import LOST_RUNS, WORSE
from harness.verdict.measures import MEASURES
from harness.verdict.reading import read_verdicts
from harness.verdict.stating import NO_VERDICT
from harness_reports._words import alarms, constant
from harness_reports._words.coverage import DRAWS_ALONE, SEEDS_ALONE, sampled_examples
from harness_reports._words.facets import arm_rows
from harness_reports._words.names import MOST_NAMED, PARTS, capitalized, differing_parts, metric_title, some_names
from harness_reports._words.outcome import Outcome
from harness_reports._words.power import LEVEL, draw_of, farthest, power_sentence, widest_tie

NOT_TESTED = (
    "Not tested yet: whether the arms reached the same minimum. The arms are ranked here, with how sure the ranking is; "
    "equal scores would not mean equal solutions."
)
NO_LEAD = "No arm leads"
LEADERBOARD = "A leaderboard, no verdict"
STATEMENTS = {
    "supported": "The same minima, as far as this run can tell",
    "value only": "Equally good, but not the same minima",
    "refuted": "Not equally good",
    "inconclusive": "Not settled",
    NO_VERDICT: LEADERBOARD,
}  # a verdict's statement, as the answer begins
NOT_COMPARED = (
    "Minima are not compared: each arm may have an objective of its own (search.objective = free), so the arms are ranked and "
    "nothing more."
)
COLUMNS = {"accuracy": "test_accuracy"}  # of measures that the verdict names otherwise than the leaderboard
FEWEST_SEEDS = 2  # the spread of a single seed is not known
NOT_TUNED = "not tuned"  # the state of an arm whose search has ended without a good trial
ROUNDING = 1e-9  # two means that differ by this part of their size are equal

Row = Mapping[str, Any]  # of the leaderboard, or of the table of leads


@dataclass(frozen=True)
class Headline:
    """The first screen in sentences."""

    question: str
    answer: str
    detail: str
    caveat: str = NOT_TESTED  # "" where the verdict says what was tested
    power: str = ""  # how small a difference the run could have seen


def headline(outcome: Outcome) -> Headline:
    """Return the question, and an answer that holds the verdict, the lead and the arms without a result.

    A best arm is named only where none is "not told apart" from it, and an arm is behind only where it is "worse", by the words
    of ``harness.results.tables.against``. An arm whose tuning is in doubt is never called worse; it is "inconclusive (tuning)". Where the verdict stands in spite of an alarm, the alarm is among the doubts alone.
    """
    ranked = _ranking_headline(outcome)
    ranked = replace(ranked, power=power_sentence(outcome))
    begins = _beginning(outcome)
    answer = _joined_answer(begins, ranked.answer) if begins else ranked.answer
    lost = _lost_arms(outcome)
    ranked = replace(ranked, answer=f"{answer.removesuffix('.')}{lost}" if lost else answer)
    if outcome.records.meta.benchmark["search"].get("objective", "common") != "common":
        return replace(ranked, caveat=NOT_COMPARED)
    return ranked if outcome.table("verdict") is None else replace(ranked, caveat="")


def _joined_answer(begins: str, ranked: str) -> str:
    """Return what the verdict says and what the ranking says as one sentence."""
    if ranked.startswith(f"{NO_LEAD}: "):
        ranked = f"no arm leads, and {ranked.removeprefix(f'{NO_LEAD}: ')}"
    return f"{begins}: {ranked[:1].lower() + ranked[1:] if ranked.startswith('No ') else ranked}"


def _beginning(outcome: Outcome) -> str:
    """Return what the verdict says, as the beginning of the answer; "" where nothing is compared."""
    statement = _statement(outcome)
    if statement == "mixed":
        return _of_each_network(outcome)
    return STATEMENTS.get(statement, statement) + (_other_measures(outcome) if statement == "refuted" else "")


def _other_measures(outcome: Outcome) -> str:
    """Return in which measures arms are not equally good, as " in train loss"; "" where the one that ranks is among them."""
    verdict = read_verdicts(outcome.records.meta, outcome.results.tables)[0]
    rows = [row for network in verdict.networks for row in arm_rows(network, "loss") if row["label"] == "different"]
    measures = list(dict.fromkeys(str(row["measure"]) for row in rows))
    if outcome.deciding.column in [COLUMNS.get(measure, measure) for measure in measures]:
        return ""
    named = numbers.joined([f"in {MEASURES[name].in_sentence}" for name in measures])
    return f" {named}" if named else ""


def _of_each_network(outcome: Outcome) -> str:
    """Return "Supported with linear, inconclusive with mlp": a network is named by what the others do not share."""
    verdict = read_verdicts(outcome.records.meta, outcome.results.tables)[0]
    networks = [network for network in verdict.networks if int(network.row["arms"]) > 1]
    backbones = {network.network.partition("+")[0] for network in networks}
    names: dict[str, list[str]] = {}
    for network in networks:
        backbone, _, head = network.network.partition("+")
        names.setdefault(str(network.row["statement"]), []).append(
            head if head and len(backbones) == 1 else network.network or backbone
        )
    parts = [f"{statement} with {some_names(labels)}" for statement, labels in names.items()]
    return capitalized(", ".join(parts))


def _statement(outcome: Outcome) -> str:
    """Return the verdict's statement; "" where nothing is compared."""
    verdicts = read_verdicts(outcome.records.meta, outcome.results.tables)
    return str(verdicts[0].pooled["statement"]) if verdicts and len(outcome.labels) > 1 else ""


def _lost_arms(outcome: Outcome) -> str:
    """Return the arms without a result and those that lost runs, as the end of the answer; "" where there are none."""
    rows = outcome.deciding_rows or []
    untuned = [outcome.labels[row["arm"]] for row in rows if row["state"] == NOT_TUNED]
    without = [outcome.labels[row["arm"]] for row in rows if not row["n"] and row["failed"] + row["diverged"]]
    partly = [row for row in rows if row["n"] and row["failed"] + row["diverged"]]
    ending = ""
    if without and len(without) < len(rows):
        ending += f"; {some_names(without)} failed in every run"
    if untuned and len(untuned) < len(rows):
        ending += f"; no trial of {some_names(untuned)} ended well"
    if partly:
        lost = [
            f"{outcome.labels[row['arm']]} lost {row['failed'] + row['diverged']} of {row['planned']} runs"
            for row in partly
        ]
        ending += f"; {numbers.joined(lost[:MOST_NAMED])}" + (
            f" and {len(lost) - MOST_NAMED} more lost some" if len(lost) > MOST_NAMED else ""
        )
    return ending


def _ranking_headline(outcome: Outcome) -> Headline:
    """Return the headline without what the alarms and the verdict add to it."""
    question, rows = _question(outcome), outcome.deciding_rows
    if rows is None:
        return Headline(question, "No leaderboard.", "The leaderboard was not computed; the notices say why.")
    ranked = [row for row in rows if row["n"]]
    if not ranked:
        return Headline(question, "No result yet.", f"{_why_no_score(rows)}, so there is nothing to rank.", caveat="")
    if len(ranked) == 1:
        return _of_one_arm(outcome, question, ranked[0])
    poor = constant.no_better(outcome, ranked)
    if not outcome.leads:
        answer = f"{_has_best_mean(outcome, ranked[0])}; whether that is chance is not known"
        return Headline(question, poor or answer, "The analysis of leads is missing; the notices say why.")
    answer = _answer(outcome, ranked[0])
    detail = _detail(outcome, ranked[0]) + constant.score_sentence(outcome.records, ranked)
    if not poor:
        return Headline(question, answer, detail)
    if all(row["no_better"] for row in ranked):
        return Headline(question, f"{poor}.", detail)
    return Headline(question, answer, f"{poor}. {detail}")


def _of_one_arm(outcome: Outcome, question: str, best: Row) -> Headline:
    """Return the headline of a run in which one arm alone has a score."""
    poor = constant.no_better(outcome, [best])
    alone = " No other arm has a result to compare it with." if len(outcome.labels) > 1 else ""
    answer = f"{outcome.labels[best['arm']]}: {metric_title(best['metric'])} {_mean_text(best)}"
    detail = f"{_certainty_of_mean(best)}{alone}{constant.score_sentence(outcome.records, [best])}"
    return Headline(question, f"{poor}.", f"{answer}. {detail}") if poor else Headline(question, answer, detail)


def _why_no_score(rows: Sequence[Row]) -> str:
    """Return why no arm has a score."""
    if any(row["unusable"] for row in rows):
        return f"The comparison has run, and no run has a finite {metric_title(rows[0]['metric'])}"
    return "No comparison run has ended well"


def _question(outcome: Outcome) -> str:
    """Return the question that the benchmark asks."""
    labels = list(outcome.labels.values())
    if len(labels) < 2:
        return f"How well does {numbers.joined(labels) or 'it'} do?"
    differing = differing_parts(outcome.records)
    parts = ["schedule" if part == "scheduler" else part for part in PARTS if part in differing]
    arms = numbers.joined(labels) if len(labels) <= 6 else f"{len(labels)} arms"
    if outcome.table("verdict") is not None and outcome.records.meta.planned_replicates > 1:
        return f"Do {arms} reach almost the same minima when they are tuned alike?"
    return f"Does it matter which {numbers.joined(parts) or 'arm'} is used? {arms}, tuned alike and compared."


# --- the answer ----------------------------------------------------------------------------------------------


def _answer(outcome: Outcome, best: Row) -> str:
    """Return which arm leads, or that none does, and which arms are behind or in doubt."""
    labels, leads, doubted = outcome.labels, outcome.leads, alarms.arms_in_doubt(outcome)
    ties = outcome.ties
    tied = {row["arm"] for row in ties}
    behind = [row for row in leads if row["word"] == WORSE and row["arm"] not in outcome.no_better]
    unsure = [labels[row["arm"]] for row in [*([best] if ties else []), *leads] if row["arm"] in doubted]
    ending = f"; {alarms.LABEL}: {some_names(unsure)}" if unsure else ""
    if lost := [labels[row["arm"]] for row in leads if row["word"] == LOST_RUNS]:
        ending += f"; {LOST_RUNS}: {some_names(lost)}"
    if poor := outcome.no_better - tied:
        ending = f"; {constant.count_clause(outcome, len(poor), len(leads) + 1)}{ending}"
    if alone := next((row["covers"] for row in leads if row["covers"] in DRAWS_ALONE), ""):
        ending += f"; over {alone} alone: {SEEDS_ALONE}"
    if not ties:
        lead = ""
        if behind:
            lead = f", {numbers.difference(behind[0]['lead'], best['unit'])} ahead of {labels[behind[0]['arm']]}"
        return f"{_has_best_mean(outcome, best)}{lead}{ending}"
    names = [labels[row["arm"]] for row in behind]
    rest = f"; {some_names(names)} {'is' if len(names) == 1 else 'are'} behind" if names else ""
    group = [labels[best["arm"]], *(labels[row["arm"]] for row in ties)]
    tied_arms = some_names(group) if len(ties) < len(leads) else f"the {numbers.counted(len(group), 'arm')}"
    return f"{NO_LEAD}: {_why_tied(tied_arms, ties, best)}{rest}{ending}"


def _why_tied(arms: str, ties: Sequence[Row], best: Row) -> str:
    """Return why these arms are not told apart."""
    unit, title = best["unit"], metric_title(best["metric"])
    if any(row["draws"] < FEWEST_SEEDS for row in ties):
        return f"without two {draw_of(ties[0])}s in common, nothing tells {arms} apart"
    widest = widest_tie(ties)
    interval = f" (they may still differ by up to {numbers.difference(farthest(widest), unit)})" if widest else ""
    if all(_equal_means(row, best) for row in ties):
        return f"{arms} have the same mean {title}{interval}"
    if any(row["low"] != row["low"] for row in ties):
        return f"every {draw_of(ties[0])} has the same difference, so nothing tells {arms} apart"
    largest_lead = numbers.difference(max(abs(row["lead"]) for row in ties), unit)
    return f"{arms} lie within {largest_lead} in mean {title} and are {LEVEL}{interval}"


# --- the detail ----------------------------------------------------------------------------------------------


def _detail(outcome: Outcome, best: Row) -> str:
    """Return the lead over the next arm, what its interval covers, the smallest lead to be seen, and the tuning doubts."""
    lead, order, draw = outcome.leads[0], _order_of_arms(outcome, best), draw_of(outcome.leads[0])
    doubts = _doubt_sentences(outcome)
    if lead["low"] != lead["low"]:
        reason = f"it takes two {draw}s that ended well in both to know how {draw}s differ"
        if lead["draws"] >= FEWEST_SEEDS:
            reason = f"the difference is the same in every {draw}, which says nothing of other {draw}s"
        return f"{order}, with no interval: {reason}.{doubts}"
    ends = numbers.difference_interval(lead["low"], lead["high"], best["unit"])
    covers = f"{_coverage(lead)}; {_uncovered(outcome)}."
    clear = not outcome.ties  # then the answer has named the lead
    begins = (
        f"The 95 % interval of the lead over {outcome.labels[lead['arm']]} is {ends}."
        if clear and lead["arm"] not in alarms.arms_in_doubt(outcome)
        else f"{order} (95 % interval of the lead {ends})."
    )
    return f"{begins} {covers}{doubts}"


def _order_of_arms(outcome: Outcome, best: Row) -> str:
    """Return the best arm and the next one, or the arms with the same mean."""
    labels, leads, lead = outcome.labels, outcome.leads, outcome.leads[0]
    if _equal_means(lead, best):
        equal = [labels[best["arm"]], *(labels[row["arm"]] for row in leads if _equal_means(row, best))]
        return f"{some_names(equal)} have the same mean {metric_title(best['metric'])}, {_mean_text(best)}"
    place = "behind" if lead["lead"] >= 0 else f"ahead over the {draw_of(lead)}s that both have"
    if lead["lead"] >= 0 and lead["arm"] in alarms.arms_in_doubt(outcome):
        place = "apart"  # an arm whose tuning is in doubt is not called worse
    size = numbers.difference(abs(lead["lead"]), best["unit"])
    return f"{_has_best_mean(outcome, best)}; next is {labels[lead['arm']]}, {size} {place}"


def _doubt_sentences(outcome: Outcome) -> str:
    """Return a sentence for each of the first doubted arms; the gravest doubts, and a verdict's own, are told elsewhere."""
    if outcome.table("verdict") is not None:
        return ""
    grave = alarms.grave_doubts(outcome)
    sentences = []
    for arm, reasons in alarms.tuning_doubts(outcome).items():
        if arm not in grave:
            sentences.append(f" {outcome.labels[arm]} is {alarms.LABEL}: {numbers.joined(reasons)}.")
    more = len(sentences) - MOST_NAMED
    return "".join(sentences[:MOST_NAMED]) + (f" So are {more} more." if more > 0 else "")


def _coverage(lead: Row) -> str:
    """Return what the interval of a lead covers."""
    draw, examples = draw_of(lead), numbers.counted(lead["examples"], "test example")
    draws = numbers.counted(lead["draws"], draw)
    if lead["covers"] == "test examples":
        return f"The interval covers another draw of {examples}, but not of {draw}s, which all agree"
    if lead["covers"] in DRAWS_ALONE:
        return f"The interval covers another draw of {draws}, but {SEEDS_ALONE}"
    return f"The interval covers another draw of {draws} and of {examples}"


def _uncovered(outcome: Outcome) -> str:
    """Return what the interval of a lead does not cover."""
    if outcome.records.meta.planned_replicates == 1:
        return "it covers neither another search nor other training data"
    return "it does not cover other training data"


# --- parts of sentences --------------------------------------------------------------------------------------


def _equal_means(lead: Row, best: Row) -> bool:
    """Return whether an arm's mean is that of the best, but for rounding."""
    return bool(abs(lead["lead"]) <= ROUNDING * abs(best["mean"]))


def _has_best_mean(outcome: Outcome, row: Row) -> str:
    """Return ``sgd has the highest mean test accuracy, 97.97 %``."""
    extreme = "highest" if row["goal"] == "max" else "lowest"
    return f"{outcome.labels[row['arm']]} has the {extreme} mean {metric_title(row['metric'])}, {_mean_text(row)}"


def _mean_text(row: Row) -> str:
    return numbers.measure(row["mean"], row["unit"], row["high"] - row["low"])


def _certainty_of_mean(row: Row) -> str:
    """Return a sentence on how sure a mean is."""
    if row["n"] < FEWEST_SEEDS:
        return "That is one seed, so there is no interval."
    if row["low"] != row["low"]:
        return f"All {row['n']} seeds are equal, so there is no interval."
    lost = f" of {row['planned']}; the others have no result" if row["n"] < row["planned"] else ""
    ends = numbers.interval(row["low"], row["high"], row["unit"])
    if examples := sampled_examples(row["covers"]):
        return f"95 % interval {ends}; it covers the sample of {examples}, not seeds: all {row['n']} are equal{lost}."
    draws, seeds = str(row["covers"]), numbers.counted(row["n"], "seed")
    return f"95 % interval {ends} over {seeds}{lost}; it covers {draws}, not the sample of test examples."
