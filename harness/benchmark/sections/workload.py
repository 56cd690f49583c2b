"""``[[workload]]``: the keys that a workload has of its own; its sections are those of the file."""

from __future__ import annotations

from typing import Annotated

from harness.benchmark.meaning import OUTSIDE, Effect, Meaning
from harness.benchmark.sections.base import Name, Section


class WorkloadSection(Section):
    """``[[workload]]``: one of several benchmarks in a file.

    A file may have several of these tables. Each workload is the file with the workload's own `[workload.data]`,
    `[workload.train]`, `[workload.search]`, `[workload.compare]`, `[workload.heads.NAME]` and `[workload.verdict]` laid
    over it, and has a run folder of its own. [workloads.md](workloads.md) explains what they say together.
    """

    name: Annotated[
        Name,
        Meaning(
            "The name of the workload, another one for each. It takes the place of the file's name in the workload's run.",
            "digits",
            Effect("in", "free", "none", compared=False),
        ),
    ]
    optional: Annotated[
        bool,
        Meaning(
            "Whether a run may go without this workload where its data or weights are not there. A line says so, and the "
            "exit code is that of the others.",
            True,
            OUTSIDE,
        ),
    ] = False
