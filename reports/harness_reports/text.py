"""The headline in a few lines of plain text, for a terminal; “harness show” begins with it, and tells the verdict itself."""

from __future__ import annotations

from harness import Report, Results, hookimpl
from harness_reports._words.headline import headline


def render(results: Results) -> str:
    """Return question, answer, the gravest doubts, detail, and the caveat where there is one, a line each."""
    said = headline(results)
    doubts = [f"doubt: {text}" for text in said.doubts]
    return "".join(f"{line}\n" for line in (said.question, said.answer, *doubts, said.detail, said.caveat) if line)


@hookimpl
def harness_reports() -> list[Report]:
    """Offer text."""
    return [Report(name="text", extension="txt", render=render, headline=render)]
