"""What ``harness list`` shows: every plugin with where it comes from, and those that could not be loaded."""

from __future__ import annotations

from typing import Any

from harness.errors import HarnessError, did_you_mean, shown
from harness.plugin.contracts import KINDS
from harness.plugin.registry import Registry


def listing(registry: Registry, kind: str | None = None) -> dict[str, Any]:
    """Return plugins, catalogues and broken plugins as plain values; raises HarnessError for an unknown kind."""
    if kind is not None and kind.removesuffix("s") not in KINDS and kind not in ("analyses", "analysis"):
        raise HarnessError(f"list: must be given a kind of plugin, got {shown(kind)}{did_you_mean(kind, KINDS)}")
    wanted = (
        KINDS
        if kind is None
        else ["analysis" if kind == "analyses" else kind if kind in KINDS else kind.removesuffix("s")]
    )
    return {
        "plugins": [
            {
                "kind": each,
                "name": name,
                "plugin": found.plugin,
                "origin": found.origin,
                "reference": found.offer.reference,
            }
            for each in KINDS
            if each in wanted
            for name, found in sorted(registry.found[each].items())
        ],
        "catalogues": [
            {"kind": c.kind, "name": c.name, "plugin": found.plugin, "origin": found.origin}
            for c, found in registry.catalogues
            if c.kind in wanted
        ],
        "broken": registry.broken,
        "blocked": sorted(registry.blocked),
    }


def lines(found: dict[str, Any]) -> list[str]:
    """Return the listing as aligned lines."""
    rows = [(p["kind"], p["name"], p["plugin"], p["origin"]) for p in found["plugins"]]
    rows += [
        (c["kind"], f"{c['name']}:*", c["plugin"], f"{c['origin']}; every {c['kind']} by its name")
        for c in found["catalogues"]
    ]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(3)]
    out = ["  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[3]]) for row in rows]
    out += [f"broken: {name}: {why}" for name, why in found["broken"].items()]
    return out + [f"blocked: {name}" for name in found["blocked"]]
