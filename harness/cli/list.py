"""``harness list [KIND]``: every plugin with where it comes from, and those that could not be loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli.options import AsJson, Blocked, PluginFiles, print_result
from harness.errors import HarnessError, did_you_mean, shown
from harness.plugin.contracts import KINDS

if TYPE_CHECKING:
    from harness.plugin.registry import Registry


def command(
    kind: Annotated[str | None, typer.Argument(metavar="[KIND]", help="dataset, optimizer, ...")] = None,
    plugin: PluginFiles = None,
    block: Blocked = None,
    as_json: AsJson = False,
) -> None:
    """List the plugins found, with where each comes from."""
    from harness.plugin.discovery import discover

    listing = list_plugins(discover(plugin or [], block or []), kind)
    print_result(listing, lines(listing), as_json)


def list_plugins(registry: Registry, kind: str | None = None) -> dict[str, Any]:
    """Return plugins, catalogues and broken plugins as plain values; raises HarnessError for an unknown kind."""
    kinds = _kinds(kind)
    plugins = [
        {
            "kind": kind,
            "name": name,
            "plugin": found.plugin,
            "origin": found.origin,
            "reference": found.offer.reference,
        }
        for kind in kinds
        for name, found in sorted(registry.offers[kind].items())
    ]
    catalogues = [
        {"kind": catalogue.kind, "name": catalogue.name, "plugin": found.plugin, "origin": found.origin}
        for catalogue, found in registry.catalogues
        if catalogue.kind in kinds
    ]
    return {
        "plugins": plugins,
        "catalogues": catalogues,
        "broken": registry.broken,
        "blocked": sorted(registry.blocked),
    }


def _kinds(kind: str | None) -> Sequence[Any]:
    """Return the kinds to list: all, or the one that was named, in the singular or in the plural."""
    if kind is None:
        return KINDS
    singular = "analysis" if kind == "analyses" else kind if kind in KINDS else kind.removesuffix("s")
    if singular not in KINDS:
        raise HarnessError(f"list: must be given a kind of plugin, got {shown(kind)}{did_you_mean(kind, KINDS)}")
    return [singular]


def lines(listing: Mapping[str, Any]) -> list[str]:
    """Return the listing as aligned lines."""
    rows = [(plugin["kind"], plugin["name"], plugin["plugin"], plugin["origin"]) for plugin in listing["plugins"]]
    for catalogue in listing["catalogues"]:
        kind, origin = catalogue["kind"], f"{catalogue['origin']}; every {catalogue['kind']} by its name"
        rows.append((kind, f"{catalogue['name']}:*", catalogue["plugin"], origin))
    widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
    out = []
    for row in rows:
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        out.append("  ".join([*cells, row[3]]))
    out += [f"broken: {name}: {reason}" for name, reason in listing["broken"].items()]
    return out + [f"blocked: {name}" for name in listing["blocked"]]
