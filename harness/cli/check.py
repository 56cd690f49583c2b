"""``harness check PLUGIN``: a plugin's conformance checks, one line each, and a picture of an optimizer's path."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from harness.cli import completion
from harness.cli.options import AsJson, Blocked, DataFolder, PluginFiles
from harness.console.columns import columns_of, hanging
from harness.console.escaping import say_begun, say_lines
from harness.errors import HarnessError, UnknownName, did_you_mean, printable, shown
from harness.plugin.contracts import KINDS, Catalogue, DataRequest, Dataset, Kind, Optimizer

if TYPE_CHECKING:
    from harness.plugin.registry import Offered, Registry
    from harness.testing import Check, Like, Outcome

WIDTH = 23  # of the longest name of a check
REFERENCES = ("sgd", "adam")  # drawn next to the optimizers that are checked
MOST_NAMES = 20  # of a file's catalogue that are checked together
MOST_DRAWN = 4  # optimizers of one file


def command(
    plugin_: Annotated[
        str,
        typer.Argument(
            metavar="PLUGIN",
            help="A name, such as lion or torch:RAdam, or a FILE.py.",
            autocompletion=completion.plugins,
        ),
    ],
    kind: Annotated[
        str | None, typer.Option(metavar="KIND", help="Only what it offers of this kind, such as optimizer.")
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Leave out what takes longer.")] = False,
    plot: Annotated[
        Path | None,
        typer.Option(
            metavar="PICTURE", help="Draw an optimizer's path in two dimensions there, as .pdf, .pgf, .svg or .png."
        ),
    ] = None,
    like: Annotated[
        str | None,
        typer.Option(
            metavar="OPTIMIZER",
            help="Find the step at which your optimizer parts from this one: its name, such as torch:Adam, or its FILE.py.",
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A hyperparameter for --like, or a key of [data], data.KEY."),
    ] = None,
    data: DataFolder = None,
    plugin: PluginFiles = None,
    block: Blocked = None,
    as_json: AsJson = False,
) -> None:
    """Check whether a plugin does what its kind must do.

    Every check is one line, such as: stopped and resumed, an optimizer takes the same steps.
    """
    say_begun(f"checks of {plugin_}")
    files = plugin or []
    plugins = find_plugins(plugin_, kind, files, block or [])
    optimizers = find_optimizers(plugins, plot) if plot else {}
    places = [*files, Path(plugin_)] if plugin_.endswith(".py") else files
    settings = [setting for setting in set_ or [] if not setting.startswith("data.")]
    reference = find_reference(plugins, like, settings, places, block or [])
    requests = find_data(plugins, data, [setting for setting in set_ or [] if setting not in settings])
    code = print_results(run_checks(plugins, quick, reference, requests), as_json)
    if plot:
        draw_paths(optimizers, plot)
        if not as_json:
            say_lines([f"picture: {plot}"])
    raise typer.Exit(code)


@dataclass(frozen=True)
class Checked:
    """The outcome of one check of one plugin."""

    kind: Kind
    plugin: str  # the offer's name
    check: Check
    outcome: Outcome

    def lines(self, columns: int | None) -> list[str]:
        """Return it for a person, with its words in a column of their own where a terminal has so many columns."""
        begins = f"  {self.outcome.status:6}  {self.check.name:{WIDTH}}"
        return hanging(begins, printable(self.outcome.text), columns)

    def plain(self) -> dict[str, Any]:
        """Return it for a program."""
        return {
            "kind": self.kind, "plugin": self.plugin, "check": self.check.name, "status": self.outcome.status,
            "text": self.outcome.text,
        }  # fmt: skip


def find_plugins(
    plugin: str, kind: str | None = None, files: Sequence[Path] = (), block: Sequence[str] = ()
) -> list[tuple[Kind, Offered]]:
    """Return the plugins of a file, or those of any kind that have the name; raises HarnessError where there are none."""
    from harness.plugin.discovery import discover

    kinds = _kinds(kind)
    if not plugin.endswith(".py"):
        return list(_find_by_name(plugin, kinds, discover(files, block)))
    registry = discover([*files, Path(plugin)], block)
    plugins = [(kind, offer) for kind in kinds for offer in registry.offers[kind].values() if offer.origin == plugin]
    plugins += _find_in_catalogues(plugin, kinds, registry)
    if not plugins:
        of_kind = f" of kind {kind}" if kind else ""
        raise HarnessError(f"check: must be a file that offers a plugin{of_kind}, got {shown(plugin)}")
    return plugins


def _find_in_catalogues(file: str, kinds: Sequence[Kind], registry: Registry) -> Iterator[tuple[Kind, Offered]]:
    """Yield the plugins of a file's catalogues; raises HarnessError for one with more than can be checked together."""
    for catalogue, source in registry.catalogues:
        if source.origin != file or catalogue.kind not in kinds:
            continue
        prefix = f"{catalogue.name}:" if catalogue.qualified else ""
        names = [f"{prefix}{name}" for name in catalogue.names()]
        if len(names) > MOST_NAMES:
            raise HarnessError(
                f"check: must be a file of at most {MOST_NAMES} plugins, got a catalogue of {len(names)} in '{file}'; "
                f"check one of them: harness check '{names[0]}' --plugin {file}"
            )
        yield from ((catalogue.kind, registry.find(catalogue.kind, name, "check")) for name in names)


def _find_by_name(name: str, kinds: Sequence[Kind], registry: Registry) -> Iterator[tuple[Kind, Offered]]:
    """Yield the plugins of that name, of every kind; libraries are asked where no plugin has it."""
    named = [(kind, registry.offers[kind][name]) for kind in kinds if name in registry.offers[kind]]
    if named:
        yield from named
        return
    refusals: list[UnknownName] = []
    for kind in kinds:
        try:
            yield kind, registry.find(kind, name, "check")
        except UnknownName as error:
            refusals.append(error)
    if len(refusals) < len(kinds):
        return
    if Path(f"{name}.py").is_file():
        file = f"{name}.py"
        raise UnknownName(
            f"check: must be a plugin's name or FILE.py, got {shown(name)}; there is a file {shown(file)}: harness check {file}"
        )
    telling = ("that works here", "goes around another")  # by the one kind that knows the name, or a part of it
    for refusal in refusals:
        if len(kinds) == 1 or any(words in str(refusal) for words in telling):
            raise refusal
    raise UnknownName(f"check: must be a plugin's name or FILE.py, got {shown(name)}{registry.hint(kinds, name)}")


def _kinds(kind: str | None) -> Sequence[Kind]:
    if kind is not None and kind not in KINDS:
        raise HarnessError(f"--kind: must be a kind of plugin, got {shown(kind)}{did_you_mean(kind, KINDS)}")
    return [known for known in KINDS if kind in (None, known)]


def find_reference(
    plugins: Sequence[tuple[Kind, Offered]],
    name: str | None,
    settings: Sequence[str],
    files: Sequence[Path] = (),
    block: Sequence[str] = (),
) -> Like | None:
    """Return what the optimizers are compared with; raises HarnessError where none is checked, or no such one is known."""
    from harness.benchmark.toml import parse_override
    from harness.plugin.discovery import discover
    from harness.testing import Like
    from harness.testing.optimizers.parity import check_settings

    if name is None:
        if settings:
            raise HarnessError(f"--set: must go with --like, got {shown(settings[0])} alone; add --like torch:Adam")
        return None
    if not any(kind == "optimizer" for kind, _ in plugins):
        raise HarnessError("--like: must be for an optimizer, got none among the plugins checked")
    if name.endswith(".py"):
        reference = _only_optimizer(Path(name), block)
    else:
        reference = discover(files, block).get("optimizer", name, Optimizer, "--like")
    like = Like(reference, {".".join(key): value for key, value in map(parse_override, settings)})
    for _, plugin in plugins:
        if isinstance(plugin.offer, Optimizer):
            check_settings(plugin.offer, like)
    return like


def _only_optimizer(file: Path, block: Sequence[str]) -> Optimizer:
    """Return the one optimizer that a file offers; raises HarnessError where there is none, or several."""
    from harness.plugin.discovery import discover

    offers = [one.offer for one in discover([file], block).offers["optimizer"].values() if one.origin == str(file)]
    optimizers = [offer for offer in offers if isinstance(offer, Optimizer)]
    if len(optimizers) != 1:
        names = ", ".join(offer.name for offer in optimizers) or "none"
        remedy = "; name one of them, and the file with --plugin" if optimizers else ""
        raise HarnessError(f"--like: must be a file of one optimizer, got {names} in {shown(str(file))}{remedy}")
    return optimizers[0]


def find_data(
    plugins: Sequence[tuple[Kind, Offered]], data: Path | None, settings: Sequence[str] = ()
) -> dict[str, DataRequest]:
    """Return what each dataset that looks in a folder is asked, by its name; nothing where there is no folder to look in.

    The folder is that of ``--data`` or HARNESS_DATA. Raises HarnessError where no such dataset is checked.
    """
    from harness.benchmark.data_request import data_request
    from harness.benchmark.loading import without_file
    from harness.data.places import find_root

    requests = {}
    for _, plugin in plugins:
        dataset = plugin.offer
        if isinstance(dataset, Dataset) and dataset.takes_folder:
            root = find_root(data, dataset.name)
            if root.required or settings:
                section = without_file("check", (f"data.dataset={dataset.name}", "data.size=32", *settings)).data
                requests[dataset.name] = data_request(dataset, section, root)
    if (data or settings) and not requests:
        option = "--data" if data else "--set"
        raise HarnessError(
            f"{option}: must be for a dataset that looks in a folder, got none among the plugins checked"
        )
    return requests


def run_checks(
    plugins: Sequence[tuple[Kind, Offered]], quick: bool, reference: Like | None = None,
    requests: Mapping[str, DataRequest] | None = None,
) -> Iterator[Checked]:  # fmt: skip
    """Yield the outcome of every check, one by one. Of a dataset, ``requests`` has what it is opened with."""
    from harness.testing import checks

    for kind, plugin in plugins:
        assert not isinstance(plugin.offer, Catalogue)
        like = reference if kind == "optimizer" else None
        request = (requests or {}).get(plugin.offer.name) if kind == "dataset" else None
        for check in checks(plugin.offer, True if quick else None, like, request):
            yield Checked(kind, plugin.offer.name, check, check.outcome())


def find_optimizers(plugins: Sequence[tuple[Kind, Offered]], picture: Path) -> dict[str, Optimizer]:
    """Return the optimizers whose paths ``--plot`` draws; raises HarnessError where there are none, or no such file can be."""
    from harness.results.pictures.writing import check_picture

    check_picture(picture, "--plot")
    optimizers = {plugin.offer.name: plugin.offer for _, plugin in plugins if isinstance(plugin.offer, Optimizer)}
    if not optimizers:
        raise HarnessError("--plot: must be for an optimizer, got none among the plugins checked")
    return dict(list(optimizers.items())[:MOST_DRAWN])


def draw_paths(optimizers: Mapping[str, Optimizer], picture: Path) -> None:
    """Draw the optimizers' paths over functions of two parameters, next to those of sgd and adam."""
    from harness.plugin.discovery import discover
    from harness.results.pictures.walks import save_picture
    from harness.results.reports import quiet_libraries
    from harness.training.walks import walk_all

    known = discover().offers["optimizer"]
    offers: dict[str, Any] = dict(optimizers)
    for name in REFERENCES:
        if name in known:
            offers.setdefault(name, known[name].offer)
    defaults: dict[str, Any] = {}
    arms = {name: (offer, defaults) for name, offer in offers.items() if isinstance(offer, Optimizer)}
    with quiet_libraries():
        save_picture(walk_all(arms), list(arms), picture)


def print_results(results: Iterable[Checked], as_json: bool) -> int:
    """Print each result as it comes, or all as one JSON document; return the exit code, 1 if a check failed."""
    printed: list[Checked] = []
    columns = columns_of(sys.stdout)
    for result in results:
        if not as_json and (not printed or (printed[-1].kind, printed[-1].plugin) != (result.kind, result.plugin)):
            print(printable(f"{result.kind} {result.plugin}"))
        printed.append(result)
        if not as_json:
            for line in result.lines(columns):
                print(line, flush=True)
    failed = sum(result.outcome.status == "FAILED" for result in printed)
    if as_json:
        print(json.dumps({"failed": failed, "checks": [result.plain() for result in printed]}, indent=2))
    else:
        counts = Counter(result.outcome.status for result in printed)
        print(", ".join(f"{count} {status}" for status, count in counts.items()))
    return 1 if failed else 0
