"""The headline in a few lines of plain text, for a terminal; “harness show” begins with it and adds the verdict itself."""

from __future__ import annotations

from harness import Report, Results, Workloads, hookimpl, numbers
from harness_reports._words import workloads as words
from harness_reports._words.doubts import doubts, gravest, others, untold
from harness_reports._words.headline import headline
from harness_reports._words.outcome import Outcome
from harness_reports._words.work import work_sentence


def render(results: Results) -> str:
    """Return question, answer, the gravest doubts, the detail, what else limits the answer, and unequal work, a line each."""
    outcome = Outcome(results)
    head = headline(outcome)
    remarks = doubts(outcome, head)
    first = gravest(remarks)
    told = [f"doubt: {remark.text}" for remark in first]
    if more := len(others(remarks)):
        told.append(f"doubt: and {numbers.counted(more, 'more remark')}, which the HTML report has")
    lines = (head.question, head.answer, *told, head.detail, *untold(head, first), work_sentence(outcome))
    return "".join(f"{' '.join(line.split())}\n" for line in lines if line)


def render_workloads(workloads: Workloads) -> str:
    """Return what several workloads say together, and what is missing, a line each."""
    return "".join(f"{line}\n" for line in (*words.lines(workloads), *words.problems(workloads)))


@hookimpl
def harness_reports() -> list[Report]:
    """Offer text."""
    return [Report(name="text", extension="txt", render=render, workloads=render_workloads, headline=render)]
