"""What the searches came to: chance in tuning, the best pipeline, and score against seconds."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from harness import numbers
from harness.results.tables.draws import draw_word
from harness.verdict.alarm_words import ALARMS
from harness_reports._draw.axes import is_finite
from harness_reports._draw.pareto import pareto_panel
from harness_reports._page._section import Page, Section
from harness_reports._words.times import time_sentence


def fairness(page: Page) -> dict[str, Any] | None:
    """Return what the section shows; None where there is nothing to show."""
    parts = {
        "extensions": extensions(page),
        "replicates": _replicate_rows(page),
        "pareto": _pareto_panels(page),
        "winner": winner(page),
    }
    searched_seconds = "seconds" in page.records.meta.benchmark["search"].get("objectives", [])
    return (
        {
            **parts,
            "searched_seconds": searched_seconds,
            "draw": draw_word(page.records),
            "times": time_sentence(page.outcome, "search"),
        }
        if any(parts.values())
        else None
    )


def _arm_rows(page: Page, table: str) -> list[dict[str, Any]]:
    """Return the rows of an analysis that are of an arm of the run."""
    return [row for row in page.outcome.rows(table) if row["arm"] in page.looks]


def extensions(page: Page) -> list[dict[str, Any]]:
    """Return what ``harness run --extend`` did, in words: an arm, why, what, and after how many trials."""
    unit = page.records.meta.benchmark["search"]["unit"]
    rows = []
    for extension in page.records.meta.extensions or []:
        if extension["arm"] not in page.looks:
            continue
        changes = []
        for name, ends in extension["ranges"].items():
            changes.append(f"{name} now {numbers.number(ends['low'])} to {numbers.number(ends['high'])}")
        extra = f"{extension['extra']:g} {unit}"
        if unit == "trials":
            extra = numbers.counted(int(extension["extra"]), "trial")
        rows.append(
            {
                "look": page.looks[extension["arm"]],
                "why": numbers.joined([ALARMS[alarm].past for alarm in extension["why"]]),
                "what": numbers.joined([*changes, f"{extra} more"]),
                "after": numbers.counted(sum(extension["after"]), "trial"),
            }
        )
    return rows


def _replicate_rows(page: Page) -> list[dict[str, Any]]:
    """Return a row per arm whose search was made more than once."""
    rows = []
    for row in _arm_rows(page, "replicates"):
        unit = row["unit"]
        rows.append(
            {
                "look": page.looks[row["arm"]],
                "searches": row["replicates"],
                "mean": numbers.measure(row["mean"], unit),
                "interval": numbers.interval(row["low"], row["high"], unit),
                "range": f"{numbers.measure(row['worst'], unit)} to {numbers.measure(row['best'], unit)}",
                "tuning": numbers.difference(row["sd_tuning"], unit),
                "seeds": numbers.difference(row["sd_seeds"], unit),
            }
        )
    return rows


def winner(page: Page) -> dict[str, Any] | None:
    """Return the pipeline that is best on tune and the score to be expected of it; None where no run ended well."""
    rows = _arm_rows(page, "winner")
    if not rows:
        return None
    first = rows[0]
    unit = first["unit"]
    expected = numbers.measure(first["expected"], unit) if math.isfinite(first["expected"]) else numbers.NOTHING
    return {
        "look": page.looks[first["arm"]],
        "metric": f"test {first['metric']}",
        "expected": expected,
        "interval": numbers.interval(first["low"], first["high"], unit),
        "covers": first["covers"],
        "refits": _refit_texts(page),
        "naive": numbers.measure(first["naive"], unit),
        "optimism": numbers.difference(first["optimism"], unit),
        "lost": int(first["lost"]) if first["lost"] == first["lost"] else 0,
        "rows": [
            {
                "look": page.looks[row["arm"]],
                "tune": numbers.measure(row["tune"], unit),
                "test": numbers.measure(row["test"], unit),
                "chosen": f"{row['chosen']} of {first['folds']:.0f}",
            }
            for row in rows
        ],
    }


def _refit_texts(page: Page) -> list[str]:
    """Return a sentence for each network that was trained on train and tune together, with its test score."""
    texts, deciding, refits = [], page.records.deciding, page.records.meta.refits
    for arm, refit in refits.items():
        label = page.looks[arm].label if arm in page.looks else arm
        after, before = (_score_text(refit[key], deciding.unit) for key in ("test", "test_before"))
        typed_arm = "refit" if len(refits) == 1 else f"refit:{arm}"
        texts.append(
            f"{label}, seed {refit['seed']}, was trained again on {refit['examples']:,} examples of train and tune together: test "
            f"{deciding.name} {after}, {before} before. It is in no table here; “harness predict” and “harness export” use it "
            f"with “--arm {typed_arm}”."
        )
    return texts


def _score_text(score: float | None, unit: str) -> str:
    return numbers.NOTHING if score is None else numbers.measure(score, unit)


def _pareto_panels(page: Page) -> dict[str, Any] | None:
    """Return a figure per network of score against seconds, and the trials that nothing beats; None without seconds."""
    table = page.outcome.table("pareto")
    if table is None or not (table["seconds"] > 0).all():
        return None
    table = table[table["arm"].isin(list(page.looks)) & is_finite(table["score"])]
    panels: list[dict[str, Any]] = []
    for network, trials in table.groupby("network", sort=False):
        front = trials[trials["front_of_all"]].sort_values(["seconds", "number"])
        name = f"score-against-seconds-{page.network_names[str(network)]}"
        figure = pareto_panel(page.outcome, trials, front, page.looks, name)
        rows = [_trial_row(page, row) for row in front.to_dict("records")]
        panels.append({"network": network, "figure": figure, "rows": rows})
    return {"panels": panels, "several": len(panels) > 1} if panels else None


def _trial_row(page: Page, row: Mapping[Any, Any]) -> dict[str, Any]:
    """Return a trial that nothing beats."""
    score, seconds = page.outcome.searched.text(row["score"]), numbers.duration(float(row["seconds"]))
    return {"look": page.looks[row["arm"]], "number": int(row["number"]) + 1, "score": score, "seconds": seconds}


SECTION = Section(
    id="fairness",
    title="Searches",
    place=70,
    data=fairness,
    template="fairness.html.j2",
    tables=("replicates", "pareto", "winner"),
)
