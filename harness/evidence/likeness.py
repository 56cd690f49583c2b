"""Which photos of open data are the same, or nearly: by their decoded pixels, with the rules of ``harness data inspect``.

Photos of equal bytes have equal pixels; so have others that only their wrapping tells apart.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.data.images import look_at_pixels
from harness.inspection import SPLITS, findings
from harness.plugin.contracts import Data, Photo

if TYPE_CHECKING:
    from harness.console.progress import Reporter

VERSION = 1  # raised whenever the same data give other findings


def likeness(data: Data, reporter: Reporter) -> dict[str, Any]:
    """Return the findings as plain values: duplicates, near duplicates, leaks between splits, conflicts of labels."""
    photos, looks = [], []
    total = sum(len(getattr(data, which)) for which in SPLITS)
    for which in SPLITS:
        split = getattr(data, which)
        for name, target, pixels in zip(split.names, split.targets, split.inputs, strict=True):
            photos.append(Photo(name, data.classes[int(target)], Path(name).read_bytes, which))
            looks.append(look_at_pixels(pixels))
            reporter.preparing("comparing photos", len(looks), total)
    found = findings(photos, looks)
    return {
        "version": VERSION,
        "fingerprint": data.fingerprint,
        **{kind: found[kind] for kind in ("duplicates", "near_duplicates", "leaks", "label_conflicts")},
        "rules": {**found["rules"], "duplicates": "equal pixels (SHA-256)"},
    }
