"""Was an arm's search good enough for the arm to be judged by it?

An arm that lost may have been tuned badly. Each arm is put to eight tests. An arm that fails one raises an alarm: it is not
called worse, and its label is "inconclusive (tuning)". The first six allow for seed noise; the last two are about the whole
comparison.

- "edge": the arm's best learning rate lies in the outer tenth of the range (by its logarithm where the range is logarithmic),
  and beats every trial in the interior by more than seed noise. Only the learning rate is tested: among three to five other
  parameters, the best value of some is nearly always near an edge.
- "rising": the best learning rate lies in the outer tenth, and through that half of the range the scores rise towards the
  edge, by a one-sided test of Kendall's tau at 5 %. Far from the best rate a range is nearly flat, and its edge is hardly
  better than its neighbours, so the first test misses it.
- "improving": the last fifth of the trials still improved on the best of the others by more than seed noise.
- "diverged": more than a third of the trials diverged.
- "budget": fewer trials ended well (with a score, or stopped by the pruner) than of another arm. The alarm goes off if the
  other arm's best of that many trials would be worse, on average, by more than seed noise. If the budget is in epochs or
  seconds, equal budgets are unequal numbers of trials: then it goes off if the arm got less budget than another arm, by more
  than a trial.
- "special case": the arm lost to an arm that is a special case of it (the same optimizer, schedule and network, with
  parameters pinned or ranges narrower) in the tune score of the comparison, by a one-sided t-test at 1 % over the means of
  replicates.
- "defaults": the mean of its tune scores in the comparison, over all replicates, lies below that of its own optimizer with the
  defaults, untuned, by more than half the verdict's margin, whatever chance may do. A search that ends below the defaults has not done its work, and
  a verdict with that margin would take the search's failure for the optimizer's.
- "chance": the mean of its tune scores is not shown to be better than a constant answer, which has learned nothing. It is not
  above the constant's score by more than another draw of the tune examples would add once in twenty.

"special case" and "defaults" are not asked of convex arms. These are all to reach one minimum, and a run that stopped short of
it may well score better; the gradient says whether they arrived.

No difference raises an alarm that no reader would call one: the limit of "edge", "improving" and "budget" is at least a hundredth
of the verdict's margin, and scores that do not rise by as much do not rise. Without that, the seeds of a convex problem, which all
end alike, would make a limit of 1e-7.

All tests look at the tune split, as the search does, and none at the test split. ``harness run --extend`` searches on for arms
with an alarm, and a search that follows the test split would make its scores too good.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from harness.plugin.contracts import Analysis
from harness.records import Records
from harness.verdict.alarm_words import ALARMS
from harness.verdict.protocol import standing_protocol
from harness.verdict.score_alarms import loss_to_constant, loss_to_defaults, loss_to_special_case
from harness.verdict.search_alarms import diverged, edge, improving, rising, shortfall, spending
from harness.verdict.seed_noise import final_scores, seed_noise

if TYPE_CHECKING:
    from pandas import DataFrame

    from harness.verdict.protocol import Registered

MOST_DIVERGED = 1 / 3
SMALLEST_PART = 0.01  # of the margin: what is smaller is no difference
RISING = 0.95  # the confidence in a rise towards the edge
COLUMNS = ("arm", "alarm", "state", "value", "limit", "noise", "against")


def compute(records: Records) -> DataFrame:
    """Return a row per arm and alarm: its ``state`` is "alarm", "quiet", or "not judged" where the records do not tell.

    There is an alarm where ``value`` is above ``limit``. What the two are depends on the alarm:

    - "edge", "improving" and "defaults": a difference in tune score.
    - "budget": a difference in tune score; in epochs or seconds for a budget of these.
    - "rising": 1 - p. "diverged": a share of the trials. "special case": a t statistic.
    - "chance": the value is by how much the constant answer is better, so it is below zero where the arm is better. The limit
      is below zero by what the draw of examples may do.

    ``noise`` is the arm's seed noise in the tune score, or a hundredth of the margin where that is more; NaN where unknown. ``against`` is the arm with the larger budget, the
    special case, the untuned control, or the class that the constant answers.
    """
    return judge_tuning(records, standing_protocol(records.meta))


def judge_tuning(records: Records, registered: Registered | None) -> DataFrame:
    """Return the table of ``compute`` with the margins of this protocol; without a protocol "defaults" is not judged."""
    import pandas as pd

    least = least_difference(records, registered)
    noises = {arm: noise if math.isnan(noise) else max(noise, least) for arm, noise in seed_noise(records).items()}
    arms = list(map(str, records.arms["arm"]))
    spendings = {arm: spending(records, arm) for arm in arms}
    rows: list[tuple[object, ...]] = []
    for arm in arms:
        noise, budget = noises[arm], shortfall(spendings, arm, noises)
        losses = {
            "special case": loss_to_special_case(records, arm),
            "defaults": loss_to_defaults(records, arm, registered),
            "chance": loss_to_constant(records, arm),
        }
        tests: dict[str, tuple[float, float, str]] = {
            "edge": (edge(records, arm), noise, ""),
            "rising": (rising(records, arm, least), RISING, ""),
            "improving": (improving(records, arm), noise, ""),
            "diverged": (diverged(records, arm), MOST_DIVERGED, ""),
            "budget": (budget.value, budget.limit, budget.against),
            **{alarm: (loss.value, loss.limit, loss.against) for alarm, loss in losses.items()},
        }
        for alarm in ALARMS:
            value, limit, against = tests[alarm]
            rows.append((arm, alarm, _state(alarm, value, limit), value, limit, noise, against))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def least_difference(records: Records, registered: Registered | None) -> float:
    """Return the smallest difference in the score of trials that counts as one: a hundredth of the margin; 0 without a protocol."""
    by_arm = [final_scores(records, str(arm), records.searched).values() for arm in records.arms["arm"]]
    scores = [score for of_arm in by_arm for score in of_arm]
    if registered is None or not scores:
        return 0.0
    unit = records.meta.metrics[records.searched.name]["unit"]
    return SMALLEST_PART * registered.protocol.margin_in(unit, sum(scores) / len(scores))


def _state(alarm: str, value: float, limit: float) -> str:
    if math.isnan(value) or math.isnan(limit):
        return "not judged"
    raised = value >= limit if alarm == "chance" else value > limit * (1 + 1e-9)
    return "alarm" if raised else "quiet"


def raised_alarms(records: Records, registered: Registered, replicates: int) -> dict[str, list[str]]:
    """Return the alarms that went off with a protocol's margins, by arm; none before anything was compared.

    They are those of the first so many ``replicates`` alone: no later search and no later run takes a word back.
    """
    if not len(records.comparison):
        return {}
    margins = tuple(sorted(registered.protocol.margins.items()))
    key = ("tuning", margins, replicates)
    table = records.once(key, lambda: judge_tuning(_first_replicates(records, replicates), registered))
    raised: dict[str, list[str]] = {}
    for arm, alarm in table.loc[table["state"] == "alarm", ["arm", "alarm"]].itertuples(index=False):
        raised.setdefault(str(arm), []).append(str(alarm))
    return raised


def _first_replicates(records: Records, replicates: int) -> Records:
    """Return the records of the first so many replicates, with the untuned controls, which are of none."""
    rows, searches = records.comparison, records.repeated
    later = (rows["replicate"] >= replicates) & (rows["role"] != "untuned")
    if not later.any() and not (searches["replicate"] >= replicates).any():
        return records
    return replace(
        records,
        comparison=rows[~later],
        runs=records.runs[~records.runs["run_id"].isin(rows.loc[later, "run_id"])],
        repeated=searches[searches["replicate"] < replicates],
    )


MEANINGS = {  # of the columns that are not the same in every table
    "alarm": "the alarm",
    "state": "alarm, quiet or not judged",
    "value": "what is compared with the limit",
    "limit": "beyond it there is an alarm",
    "noise": "the arm's seed noise in the tune score, at least a hundredth of the margin",
    "against": "what the arm is compared with",
}
ANALYSIS = Analysis(name="alarms", compute=compute, reference="arXiv:1910.05446", columns=MEANINGS)
