"""The command line. Heavy imports stand inside the commands, so that ``--help`` is quick."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from harness.errors import HarnessError, one_line

if TYPE_CHECKING:
    from harness.run import Request

app = typer.Typer(
    name="harness",
    help="Honest comparison of training algorithms: tune, retrain, compare, report.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

File = Annotated[Path, typer.Argument(metavar="FILE.toml", help="The benchmark file.")]
Profile = Annotated[Optional[str], typer.Option(help="A [profiles.NAME] of the file, laid over it.")]
DataDir = Annotated[Optional[Path], typer.Option("--data", metavar="DIR", help="Folder with the data, such as photos.")]
Out = Annotated[Path, typer.Option(metavar="DIR", help="Folder that run folders go into.")]
Plugins = Annotated[Optional[list[Path]], typer.Option("--plugin", metavar="FILE.py", help="A loose plugin file.")]
Block = Annotated[Optional[list[str]], typer.Option(metavar="NAME", help="Leave a plugin out, by its name.")]
Set = Annotated[Optional[list[str]], typer.Option("--set", metavar="KEY=VALUE", help="Override a value of the file.")]
RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


def _version(wanted: bool) -> None:
    if wanted:
        from harness import __version__

        print(f"harness {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,  # see main()
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Honest comparison of training algorithms."""


@app.command()
def run(
    file: File,
    profile: Profile = None,
    data: DataDir = None,
    out: Out = Path("runs"),
    plugin: Plugins = None,
    block: Block = None,
    set_: Set = None,
    only_search: Annotated[bool, typer.Option("--only-search", help="Stop before the comparison.")] = False,
) -> None:
    """Tune, compare and report; the same command again goes on where it was left."""
    from harness import interruption
    from harness.progress import Reporter
    from harness.run import run as carry_out

    request = _request(file, profile, data, out, plugin, block, set_, only_search)
    interruption.listen()
    with Reporter() as reporter:
        code = carry_out(request, reporter, ["harness", *sys.argv[1:]])
    raise typer.Exit(code)


@app.command()
def plan(
    file: File,
    profile: Profile = None,
    data: DataDir = None,
    out: Out = Path("runs"),
    plugin: Plugins = None,
    block: Block = None,
    set_: Set = None,
    as_json: AsJson = False,
) -> None:
    """Say what a run would do, how long it would take here and how much disk, before anything is spent."""
    from harness.estimate import estimate, lines
    from harness.progress import Reporter

    found = estimate(_request(file, profile, data, out, plugin, block, set_), Reporter(quiet=as_json))
    print(json.dumps(found, indent=2) if as_json else "\n".join(lines(found)))


@app.command("list")
def list_(
    kind: Annotated[Optional[str], typer.Argument(metavar="[KIND]", help="dataset, optimizer, ...")] = None,
    plugin: Plugins = None,
    block: Block = None,
    as_json: AsJson = False,
) -> None:
    """List the plugins found, with where each comes from."""
    from harness.listing import lines, listing
    from harness.registry import discover

    registry = discover(plugin or [], block or [])
    found = listing(registry, kind)
    print(json.dumps(found, indent=2) if as_json else "\n".join(lines(found)))


@app.command()
def status(folder: RunFolder, as_json: AsJson = False) -> None:
    """Say what of a run is done and what is left."""
    from harness.show import status as look
    from harness.show import status_lines

    found = look(folder)
    print(json.dumps(found, indent=2) if as_json else "\n".join(status_lines(found)))


@app.command()
def show(folder: RunFolder, as_json: AsJson = False) -> None:
    """Show a run's results."""
    from harness.show import show as look
    from harness.show import show_lines

    found = look(folder)
    print(json.dumps(found, indent=2, allow_nan=False) if as_json else "\n".join(show_lines(found)))


@app.command()
def report(
    folder: RunFolder,
    format_: Annotated[str, typer.Option("--format", metavar="NAMES", help="Formats, with commas between.")] = "html",
    plugin: Plugins = None,
    block: Block = None,
) -> None:
    """Write the reports again, from the records alone."""
    from harness.registry import discover
    from harness.report import write_reports

    formats = [name.strip() for name in format_.split(",") if name.strip()]
    for path in write_reports(folder, formats, discover(plugin or [], block or [])):
        print(path)


def _request(
    file: Path, profile: str | None, data: Path | None, out: Path, plugin: list[Path] | None, block: list[str] | None,
    set_: list[str] | None, only_search: bool = False,
) -> Request:  # fmt: skip
    from harness.run import Request

    return Request(file, profile, data, out, tuple(plugin or ()), tuple(block or ()), tuple(set_ or ()), only_search)


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line and exit: 0 done, 1 some cells failed, 2 wrong input, 130 interrupted, 70 our own fault."""
    usage_error: Any = typer.BadParameter.__base__  # typer brings its own copy of click, or uses click's
    arguments = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    debug = "--debug" in arguments
    if debug:
        arguments.remove("--debug")  # wherever it stands
    try:
        code = app(arguments, standalone_mode=False)
    except HarnessError as error:
        if debug:
            raise
        print(f"error: {error}", file=sys.stderr)
        code = 2
    except usage_error as error:
        print(f"error: command line: {error.format_message()}; try 'harness --help'", file=sys.stderr)
        code = 2
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except Exception as error:
        if debug:
            raise
        print(f"error: harness itself: {one_line(error)}; --debug shows where, please report it", file=sys.stderr)
        code = 70  # EX_SOFTWARE
    if code == 130:  # which is also what typer makes of Ctrl-C
        print(f"interrupted; 'harness {shlex.join(arguments)}' goes on from here", file=sys.stderr)
    sys.exit(code if isinstance(code, int) else 0)
