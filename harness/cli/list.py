"""``harness list [KIND]``: every plugin and installed benchmark file, with what it is, and plugins that could not be loaded."""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli import completion
from harness.cli.options import AsJson, Blocked, PluginFiles, print_result
from harness.console.columns import columns_of, folded, hanging
from harness.console.numbers import counted
from harness.errors import HarnessError, did_you_mean, shown
from harness.plugin.contracts import KINDS

if TYPE_CHECKING:
    from harness.plugin.contracts import Catalogue
    from harness.plugin.registry import Registry

BENCHMARK = "benchmark"  # listed beside the kinds of plugin
OURS = "optimizer-harness "  # the distribution whose plugins need no word on where they come from
NAME = 17  # columns of a name; a longer one moves the rest of its line


def command(
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar="KIND", help="Only this kind: benchmark, dataset, optimizer, ...", autocompletion=completion.kinds
        ),
    ] = None,
    long: Annotated[
        bool, typer.Option("--long", help="Say all of it: whole sentences, the plugin's name, and where it comes from.")
    ] = False,
    names: Annotated[
        bool,
        typer.Option(
            "--names",
            help="Every name of the libraries too, and the names that are refused, with the reason; takes seconds.",
        ),
    ] = False,
    plugin: PluginFiles = None,
    block: Blocked = None,
    as_json: AsJson = False,
) -> None:
    """List the plugins and the benchmark files that are here.

    A line has the kind, the name and the first words of what the plugin says of itself: the docstring of its module.
    A library, such as torch:*, is one line; --names lists what is in it.
    """
    from harness.plugin.discovery import discover

    listing = list_plugins(discover(plugin or [], block or []), kind, names)
    print_result(listing, lines(listing, long, columns_of(sys.stdout)), as_json)


def list_plugins(registry: Registry, kind: str | None = None, names: bool = False) -> dict[str, Any]:
    """Return plugins, catalogues, installed benchmarks and broken plugins as plain values.

    With ``names``, a catalogue has the names that work here and those that are refused, with the reason. Raises HarnessError for an unknown kind.
    """
    from harness.benchmark.installed import first_sentence, installed_benchmarks

    kinds = _kinds(kind)
    plugins = [
        {
            "kind": kind,
            "name": name,
            "summary": offered.summary,
            "plugin": offered.plugin,
            "origin": offered.origin,
            "reference": offered.offer.reference,
        }
        for kind in KINDS
        if kind in kinds
        for name, offered in sorted(registry.offers[kind].items())
    ]
    catalogues = [
        {
            "kind": catalogue.kind,
            "name": catalogue.name,
            "summary": offered.summary,
            "plugin": offered.plugin,
            "origin": offered.origin,
            **(_content(catalogue) if names else {}),
        }
        for catalogue, offered in registry.catalogues
        if catalogue.kind in kinds
    ]
    files = installed_benchmarks() if BENCHMARK in kinds else {}
    return {
        "benchmarks": [{"name": name, "file": str(file), "summary": first_sentence(file)} for name, file in files.items()],
        "plugins": plugins,
        "catalogues": catalogues,
        "broken": registry.broken,
        "blocked": sorted(registry.blocked),
    }  # fmt: skip


def _content(catalogue: Catalogue) -> dict[str, Any]:
    """Return the names of a catalogue, and those that it refuses, by name with the reason."""
    from harness.plugin.boundary import Boundary, PluginFailed

    try:
        with Boundary("catalogue", catalogue.name, "say its names"):
            refused = catalogue.refused() if catalogue.refused else {}
            return {"names": list(catalogue.names()), "refused": dict(refused)}
    except PluginFailed as error:
        return {"names": [], "refused": {"*": str(error)}}


def _kinds(kind: str | None) -> Sequence[str]:
    """Return the kinds to list: all, or the one that was named, in the singular or in the plural."""
    known = (BENCHMARK, *KINDS)
    if kind is None:
        return known
    singular = "analysis" if kind == "analyses" else kind if kind in known else kind.removesuffix("s")
    if singular not in known:
        raise HarnessError(f"list: must be given a kind of plugin, got {shown(kind)}{did_you_mean(kind, known)}")
    return [singular]


def lines(listing: Mapping[str, Any], long: bool = False, columns: int | None = None) -> list[str]:
    """Return the listing as aligned lines; short ones say where a plugin comes from only if that is not the harness itself.

    On a terminal of so many ``columns`` a long one goes on below, in the column of its words.
    """
    rows = [(BENCHMARK, row["name"], row["summary"], row["file"], "") for row in listing["benchmarks"]]
    rows += [_row(plugin, plugin["name"]) for plugin in listing["plugins"]]
    rows += [_row(catalogue, f"{catalogue['name']}:*") for catalogue in listing["catalogues"]]
    kinds, names = ([len(row[column]) for row in rows] for column in range(2))
    widths = max(kinds, default=0), min(max(names, default=0), NAME)
    out: list[str] = []
    for kind, name, summary, plugin, origin in rows:
        begins = f"{kind:{widths[0]}}  {name:{widths[1]}}"
        if long:
            out.append("  ".join(filter(None, (begins, summary, plugin, origin))))
        else:
            foreign = f" ({origin})" if origin and not origin.startswith(OURS) else ""
            words = summary if kind == BENCHMARK else first_clause(summary)
            out += hanging(begins, f"{words}{foreign}", columns)
    for catalogue in listing["catalogues"]:
        out += _content_lines(catalogue, columns) if "names" in catalogue else []
    out += [f"broken: {name}: {reason}" for name, reason in listing["broken"].items()]
    return out + [f"blocked: {name}" for name in listing["blocked"]]


def _content_lines(catalogue: Mapping[str, Any], columns: int | None) -> list[str]:
    """Return the names of a catalogue, and the refused ones with a line for each reason."""
    head = f"{catalogue['kind']} {catalogue['name']}:*"
    names = catalogue["names"]
    out = folded(f"{head}, {counted(len(names), 'name')}: {', '.join(names)}", columns) if names else []
    by_reason: dict[str, list[str]] = defaultdict(list)
    for name, reason in catalogue["refused"].items():
        by_reason[reason].append(name)
    for reason, refused in by_reason.items():
        out += folded(f"{head}, refused: {', '.join(refused)}: {reason}", columns)
    return out


def _row(plugin: Mapping[str, Any], name: str) -> tuple[str, str, str, str, str]:
    return plugin["kind"], name, plugin["summary"], plugin["plugin"], plugin["origin"]


def first_clause(sentence: str) -> str:
    """Return the first clause of a sentence.

    >>> first_clause("Score against seconds: which trials nothing beats in both")
    'Score against seconds'
    """
    clause = re.split(r"(?<=\w)[:;,](?: |$)|(?<=\?) ", sentence, maxsplit=1)[0]
    return clause[:1].upper() + clause[1:]
