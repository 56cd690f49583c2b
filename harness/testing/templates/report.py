"""newcomer: the deciding test metric of every arm as plain text, a place to start from."""

from __future__ import annotations

from harness import Report, Results, hookimpl


def render(results: Results) -> str:
    """Return a line per arm, best first; ``results.tables`` has the table of every analysis by its name."""
    metric = results.records.deciding.column
    lines = [f"{results.records.name}: {metric}"]
    board = results.tables.get("leaderboard")
    if board is not None:
        rows = board[board["metric"] == metric]
        lines += [
            f"{row.mean:10.4f}  {row.arm}  ({row.n} of {row.planned} seeds)"
            for row in rows[["arm", "mean", "n", "planned"]].itertuples()
        ]
    return "\n".join([*lines, *(f"problem: {problem}" for problem in results.problems)]) + "\n"


@hookimpl
def harness_reports() -> list[Report]:
    """Offer newcomer; it is written to report.newcomer.txt."""
    extension = "newcomer.txt"
    return [Report(name="newcomer", extension=extension, render=render)]
