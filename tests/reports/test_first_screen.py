"""The first screen: facets in plain sentences, doubts in their order, and nothing said twice."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from typing import Any

import pandas as pd
import pytest
from harness_reports import html, latex, markdown, text
from harness_reports._page.protocol import rules
from harness_reports._words.doubts import MOST_SHOWN, ORDER, OWN, Remark, doubts, gravest, others
from harness_reports._words.facets import facet_sentence
from harness_reports._words.headline import Headline, headline
from harness_reports._words.outcome import Outcome

from harness.console.numbers import beside_margin, number, plain
from harness.results.reports import doubts_in
from harness.verdict.doubts import KINDS
from harness.verdict.reading import NetworkVerdict
from harness.verdict.why import NOT_ADJUSTED, STRADDLES

pytestmark = pytest.mark.usefixtures("undrawn")  # words are read, and no figure

LABELS = {"net/a/s": "sgd", "net/b/s": "adam"}


def row(facet: str, measure: str, scale: str, estimate: float, margin: float, **more: Any) -> dict[str, Any]:
    return {
        "facet": facet, "measure": measure, "primary": True, "pair": "arms", "arm": "net/a/s", "other": "net/b/s", "scale": scale,
        "unit": "", "estimate": estimate, "low": estimate, "high": estimate, "margin": margin, "label": "different", "detail": "",
        "below_floor": False, "barred": False, "level": 0.05, **more,
    }  # fmt: skip


def says(facet: str, word: str, *rows: dict[str, Any], why: str = "") -> str:
    return facet_sentence(NetworkVerdict({facet: word, f"why_{facet}": why}, tuple(rows)), facet, LABELS)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (
            ("loss", "different", row("loss", "accuracy", "difference", -0.0177, 0.005)),
            "adam is 1.77 points ahead of sgd in test accuracy; up to 0.50 points counts as the same.",
        ),
        (
            ("loss", "different", row("loss", "train_loss", "difference", 0.08, 0.02, unit="nats")),
            "The train loss of sgd is 0.0800 nats above that of adam; up to 0.0200 nats counts as the same.",
        ),
        (
            ("geometry", "different", row("geometry", "sharpness_001", "log ratio", 2.288, 0.2231)),
            "sgd is 9.86 times as sharp as adam; up to 1.25 counts as the same.",
        ),
        (
            ("geometry", "similar", row("geometry", "sharpness_001", "log ratio", 2.288, 0.2231, below_floor=True)),
            "All arms are so flat that no ratio matters.",
        ),
        (
            ("function", "different", row("function", "disagreement", "log rho", 0.27, 0.0953)),
            "sgd and adam disagree about 1.31 times as many photos as two networks of one arm do; up to 1.10 counts as the same.",
        ),
        (
            ("connectivity", "not connected", row("connectivity", "barrier", "barrier", 0.45, 0.02)),
            "Between sgd and adam the train error rises by 45.00 points, and as much within one arm.",
        ),
    ],
)  # fmt: skip
def test_a_facet_is_one_plain_sentence(found: Any, expected: str) -> None:
    assert says(*found) == expected


WIDE = row("loss", "accuracy", "difference", -0.006, 0.005, label="inconclusive", low=-0.014, high=0.002)
ADD = "add 'sharpness' to compare.probes: harness run tiny --only-measure"


@pytest.mark.parametrize(
    ("found", "why", "expected"),
    [
        (
            ("loss", "inconclusive", WIDE),
            STRADDLES,
            "adam is 0.60 points ahead of sgd in test accuracy; its 90 % interval, −0.20 to 1.40, reaches across the margin of 0.50 points.",
        ),
        (
            ("geometry", "inconclusive", row("geometry", "sharpness_001", "log ratio", 0.1, 0.2231, low=-0.2, high=0.4)),
            STRADDLES,
            "sgd is 1.11 times as sharp as adam; its 90 % interval, 0.819 to 1.49, reaches across the margin of 1.25.",
        ),
        (
            ("loss", "inconclusive", row("loss", "accuracy", "difference", 0.006, 0.005, label="inconclusive")),
            NOT_ADJUSTED,
            f"sgd is 0.60 points ahead of adam in test accuracy; {NOT_ADJUSTED}.",
        ),
        (
            ("function", "inconclusive", row("function", "disagreement", "log rho", 0.0, 0.09)),
            "sgd is not shown to be at a minimum",
            "Not judged: sgd is not shown to be at a minimum.",
        ),
        (("loss", "inconclusive"), "fewer than 3 replicates", "Not judged: fewer than 3 replicates."),
        (("geometry", "not measured"), ADD, "Not measured: its probe is not in compare.probes. The doubts name the command."),
        (
            ("geometry", "not measured"),
            "probe 'sharpness' has not measured yet",
            "Not measured: probe 'sharpness' has not measured yet.",
        ),
        (("representation", "not applicable"), "nothing of it is trained", "Not asked: nothing of it is trained."),
    ],
)  # fmt: skip
def test_a_facet_without_a_word_says_why(found: Any, why: str, expected: str) -> None:
    assert says(*found, why=why) == expected


def test_what_is_small_beside_its_margin_has_no_digits() -> None:
    assert beside_margin(0.00015, 0.02, "nats") == "< 0.001 nats"
    assert beside_margin(-0.00015, 0.02, "nats") == "> \N{MINUS SIGN}0.001 nats"
    assert beside_margin(0.00015, float("nan"), "nats") == "0.000150 nats"
    assert beside_margin(0.0003, 0.02, "nats") == "0.000300 nats"
    assert number(1e-19) == "< 0.0001"
    assert number(-1e-19) == "> −0.0001"
    assert not re.search(r"\de[-+]?\d", " ".join(number(10.0**k) + plain(10.0**k, "nats") for k in range(-30, 30)))


def test_doubts_of_many_arms_are_one_and_the_others_are_named_below() -> None:
    many = [Remark("lost", "bad", f"arm{k}: 2 of 3 seeds failed: broken", f"arm{k}") for k in range(7)]
    few = [Remark("tuning", "warn", f"arm{k} is doubtful.", f"arm{k}") for k in range(2)]
    told = [
        Remark("note", "note", "Nice to know."),
        *many,
        *few,
        *(Remark("data", "warn", f"File {k}.") for k in range(9)),
    ]
    told.sort(key=lambda remark: ORDER.index(remark.kind))
    first = gravest(told)
    assert len(first) == MOST_SHOWN
    assert first[0].text == ("arm0: 2 of 3 seeds failed: broken. Much the same holds for arm1, arm2 and 4 more arms.")
    assert first[1].text == "arm0 is doubtful. Much the same holds for arm1."
    texts = {remark.text for remark in others(told)}
    assert {f"arm{k}: 2 of 3 seeds failed: broken" for k in range(1, 7)} < texts
    assert "Nice to know." in texts


def test_the_page_has_the_verdicts_doubts_in_the_verdicts_order() -> None:
    """What invalidates the comparison comes before what is wrong with an arm, on the page as in the table ``verdict``."""
    assert [kind for kind in ORDER if kind in KINDS] == list(KINDS)
    assert len(set(ORDER)) == len(ORDER)
    assert {kind for kinds in OWN.values() for kind in kinds} == set(ORDER) - set(KINDS)
    for grave in ("objective", "steps"):
        assert KINDS.index(grave) < min(map(KINDS.index, ("chance", "lost", "minimum", "tuning", "unmeasured")))


def test_doubts_of_one_kind_that_say_something_else_are_not_called_the_same() -> None:
    told = [
        Remark("tuning", "warn", "sgd: its learning rate 0.1 is at the edge.", "sgd"),
        Remark("tuning", "warn", "adam: its learning rate 0.02 is at the edge.", "adam"),
        Remark("tuning", "warn", "lion: 3 of 6 trials diverged.", "lion"),
    ]
    (first,) = gravest(told)
    assert first.text == (
        "sgd: its learning rate 0.1 is at the edge. Much the same holds for adam. Other doubts hold for lion."
    )


def test_an_arm_below_its_own_defaults_is_a_doubt_whatever_the_margin(make_records: Any, analysed: Any) -> None:
    results = analysed(make_records(["sgd", "adam"], seeds=2, epochs=1))
    arm = "lesson_cnn/sgd/cosine"
    table = pd.DataFrame(
        [{"arm": arm, "control": "c", "tuned": 0.9165, "untuned": 0.9243, "gain": -0.0078, "unit": "%"}]
    )
    results = replace(results, tables={**results.tables, "untuned": table})
    texts = [remark.text for remark in doubts(Outcome(results), Headline("", "", ""))]
    assert texts[1].startswith("sgd scores 91.65 % tuned and 92.43 % with its own defaults")
    assert texts[0].startswith("One replicate, so one search of each arm")


def test_failed_arms_stand_in_the_answer(make_records: Any, spoiled: Any, analysed: Any) -> None:
    records = spoiled(make_records(seeds=3, epochs=1), "lesson_cnn/sgd/cosine", range(3), "failed")
    records = spoiled(records, "lesson_cnn/adam/cosine", [1])
    answer = headline(Outcome(analysed(records))).answer
    assert answer.endswith("; sgd failed in every run; adam lost 1 of 3 runs")


def test_the_rules_are_in_the_page_and_lead_nowhere_else() -> None:
    text = str(rules())
    assert 'id="rules-error-barrier"' in text
    assert 'href="#rules-registration"' in text
    assert set(re.findall(r'href="(.)', text)) == {"#"}
    assert "http" not in text


def test_no_sentence_of_the_first_screen_is_printed_twice(make_records: Any, analysed: Any) -> None:
    page = html.render(analysed(make_records(seeds=2, epochs=1))).replace("\u00a0", " ")
    (head,) = re.findall(r"<header>(.*?)</header>", page, re.DOTALL)
    shown = re.sub(r"<(svg|metadata).*?</\1>", "", head, flags=re.DOTALL)
    sentences = [s.strip() for s in re.split(r"(?<=[.?;])\s|<[^>]+>", shown) if len(s.split()) > 5]
    assert len(sentences) == len(set(sentences))


def test_every_output_tells_the_same_gravest_doubts_in_the_same_order(
    make_records: Any, spoiled: Any, analysed: Any
) -> None:
    results = analysed(spoiled(make_records(seeds=3, epochs=1), "lesson_cnn/adam/cosine", [1]))
    outcome = Outcome(results)
    told = [remark.text for remark in gravest(doubts(outcome, headline(outcome)))]
    assert len(told) > 1
    lines = text.render(results).splitlines()
    assert doubts_in(lines)[: len(told)] == told
    assert [line for line in lines if line in told] == []  # what limits the answer is not said twice
    for report in (markdown, latex, html):
        words = re.sub(r"<[^>]+>|\\", "", unescape(report.render(results))).replace("\u00a0", " ")
        places = [words.index(doubt) for doubt in told]
        assert places == sorted(places)


def test_what_a_time_limit_left_out_stands_first_with_the_command_that_goes_on(
    make_records: Any, analysed: Any
) -> None:
    records = make_records(["sgd", "adam"], compared=False)
    left_out = "the time limit of 2 min has no room for more: each search has 2 of 4 trials; to go on: harness run a --time-limit 4m"
    meta = replace(records.meta, looks={"replicates": 1, "ended": "budget", "left_out": left_out})
    results = analysed(replace(records, meta=meta))
    told = headline(Outcome(results))
    assert told.answer == "No result yet."
    first, *rest = gravest(doubts(Outcome(results), told))
    assert first.text == f"T{left_out[1:]}"
    assert not any("The arms are ranked here" in remark.text for remark in rest)
    assert "harness run a --time-limit 4m" in re.sub(r"</?span[^>]*>", "", html.render(results))
