"""The headline in a few lines of plain text, for a terminal; “harness show” begins with it and adds the verdict itself."""

from __future__ import annotations

from harness import Report, Results, Workloads, hookimpl
from harness_reports._words import workloads as words
from harness_reports._words.headline import headline
from harness_reports._words.outcome import Outcome


def render(results: Results) -> str:
    """Return question, answer, the gravest doubts, detail, and the caveat where there is one, a line each."""
    head = headline(Outcome(results))
    doubts = [f"doubt: {text}" for text in head.doubts]
    lines = (head.question, head.answer, *doubts, head.detail, head.power, head.caveat)
    return "".join(f"{line}\n" for line in lines if line)


def render_workloads(workloads: Workloads) -> str:
    """Return what several workloads say together, and what is missing, a line each."""
    return "".join(f"{line}\n" for line in (*words.lines(workloads), *words.problems(workloads)))


@hookimpl
def harness_reports() -> list[Report]:
    """Offer text."""
    return [Report(name="text", extension="txt", render=render, workloads=render_workloads, headline=render)]
