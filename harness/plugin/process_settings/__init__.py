"""The settings of the process that plugins share: compared around a plugin's code, put back, and named.

A plugin may turn on autocast, patch ``torch.optim.Adam.step`` or change the default dtype, and not undo it. Everything
that ran after it in the same process would then give other numbers. Every place that calls a plugin therefore does so in

    with kept("analysis 'mine'"):
        analysis.compute(records)

which compares these settings before and after, puts back what differs and notes a line (``take_notes``). A run of the
training loop is an iterator, and goes through ``kept_apart``: what it changes is in force only while it works.

A change that a library makes to itself is not counted: torch wraps ``step`` of each optimizer class when the first one
is built. Torch is looked at only where it is loaded, so that analyses and reports never load it.

- ``keeping``: around a plugin's code.
- ``comparing``: settings at one moment and another. ``members``: the same of functions and classes.
- ``of_python``, ``of_torch``: which settings there are. ``changes``: a setting, and a change that can be put back.
"""

from __future__ import annotations

from harness.plugin.process_settings.comparing import changed, taken
from harness.plugin.process_settings.keeping import kept, kept_apart, note_line, take_notes
from harness.plugin.process_settings.members import changed_members, members_taken
from harness.plugin.process_settings.of_torch import flushes_denormals

__all__ = [
    "changed",
    "changed_members",
    "flushes_denormals",
    "kept",
    "kept_apart",
    "members_taken",
    "note_line",
    "take_notes",
    "taken",
]
