"""The command line. Heavy imports stand inside the commands, so that ``--help`` is quick."""

from __future__ import annotations

import json
import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from harness.console import ending
from harness.console.escaping import escaped_output, say_error, say_lines
from harness.console.stdout import lasting_stdout
from harness.errors import HarnessError, nearest, one_line
from harness.errors.disk import refused
from harness.plugin.process_settings import take_notes

if TYPE_CHECKING:
    from harness.run.prepare import Request

app = typer.Typer(
    name="harness",
    help="Honest comparison of training algorithms: tune, retrain, compare, report.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

data_app = typer.Typer(help="Look at a dataset's photos, or get them.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(data_app, name="data")
baseline_app = typer.Typer(help="Tuned arms as a file.", no_args_is_help=True, rich_markup_mode=None)
app.add_typer(baseline_app, name="baseline")

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
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error, and warnings.")
    ] = False,  # see main()
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Honest comparison of training algorithms."""


@app.command()
def run(
    context: typer.Context,
    file: File,
    profile: Profile = None,
    data: DataDir = None,
    out: Out = Path("runs"),
    plugin: Plugins = None,
    block: Block = None,
    set_: Set = None,
    only_search: Annotated[bool, typer.Option("--only-search", help="Stop before the comparison.")] = False,
    extend: Annotated[
        bool, typer.Option("--extend", help="Widen the range or budget of arms whose search raised an alarm.")
    ] = False,
    retry: Annotated[
        bool, typer.Option("--retry", help="Try again what was given up because the process died in it.")
    ] = False,
) -> None:
    """Tune, compare and report; the same command again goes on where it was left."""
    from harness.cli.show import document, result_lines
    from harness.console import interruption
    from harness.console.progress import Reporter
    from harness.run.start import run as carry_out

    request = _request(file, profile, data, out, plugin, block, set_, only_search, extend, retry)
    with interruption.listening(), Reporter() as reporter:
        code = carry_out(
            request,
            reporter,
            ["harness", *context.obj],
            lambda results, registry, seconds: result_lines(document(results.records, registry, results), seconds),
        )
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
    from harness.cli.plan import estimate, lines
    from harness.console.progress import Reporter

    found = estimate(_request(file, profile, data, out, plugin, block, set_), Reporter(quiet=as_json))
    print(json.dumps(found, indent=2)) if as_json else say_lines(lines(found))
    raise typer.Exit(1 if any(arm["problem"] for arm in found["arms"]) else 0)


@app.command("lr-find")
def lr_find_(
    file: File,
    profile: Profile = None,
    data: DataDir = None,
    out: Annotated[
        Optional[Path], typer.Option(metavar="PICTURE", help="Draw the curves there, as .svg or .png.")
    ] = None,
    plugin: Plugins = None,
    block: Block = None,
    set_: Set = None,
    arm: Annotated[Optional[list[str]], typer.Option(metavar="NAME", help="Only this arm; may be said again.")] = None,
    steps: Annotated[
        Optional[int], typer.Option(min=20, max=100_000, help="Steps in all; 80 a decade where not said.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Suggest a learning rate per arm, by a range test; nothing is written but the picture."""
    from harness.cli.lr_find import document, lines, lr_find
    from harness.console import interruption
    from harness.console.progress import Reporter
    from harness.results.pictures.range_test import check_picture, write_picture
    from harness.results.reports import quiet_libraries

    if out:
        check_picture(out)
    request = _request(file, profile, data, Path("runs"), plugin, block, set_)
    with interruption.listening():
        tests = lr_find(request, Reporter(quiet=as_json), arm or (), steps)
    print(json.dumps(document(tests), indent=2, allow_nan=False)) if as_json else say_lines(lines(tests))
    if out:
        with quiet_libraries():
            write_picture(out, tests)
        if not as_json:
            say_lines([f"picture: {out}"])
    raise typer.Exit(1 if any(test.failed for test in tests) else 0)


@app.command("list")
def list_(
    kind: Annotated[Optional[str], typer.Argument(metavar="[KIND]", help="dataset, optimizer, ...")] = None,
    plugin: Plugins = None,
    block: Block = None,
    as_json: AsJson = False,
) -> None:
    """List the plugins found, with where each comes from."""
    from harness.cli.listing import lines, listing
    from harness.plugin.discovery import discover

    registry = discover(plugin or [], block or [])
    found = listing(registry, kind)
    print(json.dumps(found, indent=2)) if as_json else say_lines(lines(found))


@app.command()
def check(
    plugin_: Annotated[
        str, typer.Argument(metavar="PLUGIN", help="A name, such as lion or torch:RAdam, or a FILE.py.")
    ],
    kind: Annotated[Optional[str], typer.Option(help="Only what is of this kind.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Leave out what takes longer.")] = False,
    plot: Annotated[
        Optional[Path],
        typer.Option(metavar="PICTURE", help="Draw an optimizer's path in two dimensions there, as .svg or .png."),
    ] = None,
    plugin: Plugins = None,
    block: Block = None,
    as_json: AsJson = False,
) -> None:
    """Put a plugin through its conformance checks, one line each; exit with 1 if one fails."""
    from harness.cli.check import carry_out, drawable, find, show
    from harness.cli.check import plot as draw

    found = find(plugin_, kind, plugin or [], block or [])
    drawn = drawable(found, plot) if plot else {}
    code = show(carry_out(found, quick), as_json)
    if plot:
        draw(drawn, plot)
        if not as_json:
            say_lines([f"picture: {plot}"])
    raise typer.Exit(code)


@app.command()
def status(folder: RunFolder, as_json: AsJson = False) -> None:
    """Say what of a run is done and what is left."""
    from harness.cli.show import status as look
    from harness.cli.show import status_lines

    found = look(folder)
    print(json.dumps(found, indent=2)) if as_json else say_lines(status_lines(found))


@app.command()
def show(folder: RunFolder, plugin: Plugins = None, block: Block = None, as_json: AsJson = False) -> None:
    """Show a run's results."""
    from harness.cli.show import show as look
    from harness.cli.show import show_lines
    from harness.plugin.discovery import discover

    found = look(folder, discover(plugin or [], block or []))
    print(json.dumps(found, indent=2, allow_nan=False)) if as_json else say_lines(show_lines(found))
    raise typer.Exit(1 if found["problems"] else 0)


@app.command()
def report(
    folder: RunFolder,
    format_: Annotated[str, typer.Option("--format", metavar="NAMES", help="Formats, with commas between.")] = "html",
    out: Annotated[
        Optional[Path], typer.Option(metavar="FOLDER", help="Where to; the run folder where not said.")
    ] = None,
    plugin: Plugins = None,
    block: Block = None,
) -> None:
    """Write the reports again, from the records alone."""
    from harness.plugin.discovery import discover
    from harness.records.files import check_out_folder
    from harness.results.reports import write_reports

    if out:
        check_out_folder(out)
    formats = [name.strip() for name in format_.split(",") if name.strip()]
    written = write_reports(folder, formats, discover(plugin or [], block or []), out=out)
    say_lines(map(str, written.files))
    say_lines((f"warning: {line}" for line in written.failures), sys.stderr)
    raise typer.Exit(1 if written.failures else 0)


@app.command()
def compare(
    folders: Annotated[
        list[Path], typer.Argument(metavar="RUN RUN...", help="Run folders; the first is compared with.")
    ],
    out: Annotated[
        Optional[Path], typer.Option(metavar="FILE.html", help="Write a page, or a summary for FILE.md.")
    ] = None,
    margin: Annotated[
        Optional[float], typer.Option(min=0, help="A difference that does not matter: points, or the metric's unit.")
    ] = None,
    fail_on_regression: Annotated[
        bool, typer.Option("--fail-on-regression", help="Exit with 1 where an arm became worse.")
    ] = False,
    plugin: Plugins = None,
    block: Block = None,
    as_json: AsJson = False,
) -> None:
    """Lay runs side by side: what differs between them, and which arms became better or worse."""
    from harness.cli.compare import document, format_of, lines, write
    from harness.plugin.discovery import discover
    from harness.results.several import open_several

    registry = discover(plugin or [], block or [])
    report = format_of(out, registry) if out else None
    found = open_several(folders, margin)
    print(json.dumps(document(found), indent=2, allow_nan=False)) if as_json else say_lines(lines(found))
    if out and report:
        write(out, found, report)
        if not as_json:
            say_lines([str(out)])
    raise typer.Exit(1 if fail_on_regression and len(found.regressions) else 0)


@app.command()
def predict(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder, or an exported model.")],
    photos: Annotated[Path, typer.Argument(metavar="FOLDER_OR_ZIP", help="Photos without labels.")],
    out: Annotated[Path, typer.Option(metavar="FILE.csv", help="The table that is written.")] = Path("submission.csv"),
    arm: Annotated[Optional[str], typer.Option(metavar="NAME", help="Not the arm that is best on tune.")] = None,
    ensemble: Annotated[bool, typer.Option("--ensemble", help="Mean over all seeds of the arm.")] = False,
    snapshots: Annotated[bool, typer.Option("--snapshots", help="Mean over the ends of the schedule's cycles.")] = False,
    tta: Annotated[bool, typer.Option("--tta", help="Mean over views: as it is, mirrored, four corners.")] = False,
    clip: Annotated[tuple[float, float], typer.Option(metavar="LOW HIGH", help="Of the probabilities.")] = (0.005, 0.995),
    ids: Annotated[str, typer.Option(metavar="number|name", help="Of 00012.jpg: 12, or 00012.")] = "number",
    plugin: Plugins = None,
    set_: Annotated[Optional[list[str]], typer.Option("--set", metavar="KEY=VALUE", help="Device, precision, threads or weights.")] = None,
) -> None:  # fmt: skip
    """Predict unlabelled photos with a run's best model, into a table as Kaggle takes it."""
    from harness.console import interruption
    from harness.console.progress import Reporter
    from harness.models.predict import Request as Prediction
    from harness.models.predict import predict as carry_out

    with interruption.listening(), Reporter() as reporter:
        more = (tuple(plugin or ()), tuple(set_ or ()), snapshots, ids)
        wanted = Prediction(folder, photos, out, arm, ensemble, tta, clip, *more)
        carry_out(wanted, reporter)


@app.command()
def export(
    folder: RunFolder,
    arm: Annotated[Optional[str], typer.Option(metavar="NAME", help="Not the arm that is best on tune.")] = None,
    ensemble: Annotated[
        bool, typer.Option("--ensemble", help="All seeds of the arm, not the one best on tune.")
    ] = False,
    light: Annotated[bool, typer.Option("--light", help="Without the frozen backbone's own weights.")] = False,
    out: Annotated[
        Optional[Path], typer.Option(metavar="FOLDER", help="A new folder; RUN-model here where not said.")
    ] = None,
    plugin: Plugins = None,
) -> None:
    """Write a run's best model into a folder of its own, with a model card; 'harness predict' takes it."""
    from harness.console.progress import Reporter
    from harness.models import export as of_run

    with Reporter() as reporter:
        written, about = of_run.export(of_run.Request(folder, out, arm, ensemble, light, tuple(plugin or ())), reporter)
    say_lines(of_run.lines(written, about))


@app.command()
def new(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND", help="benchmark; or dataset, optimizer, ..., as in 'harness list'; or catalogue."
        ),
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="What it will be called.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder to write into.")] = Path(),
    package: Annotated[bool, typer.Option("--package", help="A whole distribution, ready to install.")] = False,
) -> None:
    """Write a benchmark file, or a working plugin and its test, to begin from."""
    from harness.cli.new import lines, scaffold

    say_lines(lines(scaffold(kind, name, out, package)))


@baseline_app.command("export")
def baseline_export(
    folder: RunFolder,
    out: Annotated[
        Optional[Path], typer.Option(metavar="FILE", help="A new file; RUN.baseline.zip here where not said.")
    ] = None,
    with_solutions: Annotated[bool, typer.Option("--with-solutions", help="The final weights too.")] = False,
) -> None:
    """Write a run's tuned arms into one file, which [baseline] of another benchmark takes."""
    from harness.run.baseline import pack

    found = pack(folder, out or Path(f"{folder.resolve().name}.baseline.zip"), with_solutions)
    size = f"{found.file.stat().st_size / 1e6:.2f} MB"
    say_lines([f"{len(found.arms)} arms, {size}, SHA-256 {found.sha256}, into {found.file}"])
    say_lines(f"left out: {arm}, which has no result; 'harness show' says why" for arm in found.left_out)
    say_lines(["[baseline]", f'file = "{found.file.name}"'])


@data_app.command()
def inspect(
    file: Annotated[Optional[Path], typer.Argument(metavar="[FILE.toml]", help="A benchmark file; dogscats without.")] = None,
    profile: Profile = None,
    data: DataDir = None,
    plugin: Plugins = None,
    set_: Set = None,
    all_: Annotated[bool, typer.Option("--all", help="Every finding, not the first ten of each kind.")] = False,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Count a dataset's photos, and find broken ones, duplicates, and leaks between splits."""
    from harness.cli import data_inspect
    from harness.console.progress import Reporter

    with Reporter(quiet=as_json) as reporter:
        found = data_inspect.inspect(file, profile, data, plugin or [], set_ or [], reporter)
    print(json.dumps(found, indent=2)) if as_json else say_lines(data_inspect.lines(found, None if all_ else 10))


@data_app.command()
def suspects(
    folder: RunFolder,
    out: Annotated[Path, typer.Option(metavar="FILE.csv", help="A new file, for data.exclude.")] = Path("suspects.csv"),
    limit: Annotated[Optional[int], typer.Option(min=1, metavar="N", help="Of each reason, the first so many.")] = None,
) -> None:
    """List the photos that a run has made suspicious: labels, duplicates, leaks; nothing is removed."""
    from harness.cli import data_suspects as of_run
    from harness.records.files import check_out_file

    check_out_file(out, new=True)
    table = of_run.suspects(folder, limit)
    of_run.write_csv(table, out)
    say_lines(of_run.lines(table, out))


@data_app.command()
def get(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="A dataset that says where it can be got.")],
    to: Annotated[Optional[Path], typer.Option(metavar="DIR", help="Not where datasets look by themselves.")] = None,
    from_: Annotated[Optional[str], typer.Option("--from", metavar="URL", help="Not from its own address.")] = None,
    sha256: Annotated[Optional[str], typer.Option(metavar="HEX", help="What the archive must have.")] = None,
    plugin: Plugins = None,
) -> None:
    """Download a dataset's photos, check them and unpack them; an interrupted download goes on where it was left."""
    from harness.cli.data_get import Request as Wanted
    from harness.cli.data_get import obtain
    from harness.console.progress import Reporter
    from harness.plugin.discovery import discover

    with Reporter() as reporter:
        obtain(Wanted(dataset, to, from_, sha256), discover(plugin or []), reporter)


def _request(
    file: Path, profile: str | None, data: Path | None, out: Path, plugin: list[Path] | None, block: list[str] | None,
    set_: list[str] | None, only_search: bool = False, extend: bool = False, retry: bool = False,
) -> Request:  # fmt: skip
    from harness.run.prepare import Request

    return Request(
        file, profile, data, out, tuple(plugin or ()), tuple(block or ()), tuple(set_ or ()), only_search, extend, retry
    )


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line and exit: 0 done, 1 some cells failed, 2 wrong input, 130 interrupted, 70 our own fault."""
    alone = arguments is None  # the process is ours, to its end
    if alone:
        ending.trace_crashes()
    arguments = list(sys.argv[1:] if arguments is None else arguments) or ["--help"]
    debug = "--debug" in arguments
    if debug:
        arguments.remove("--debug")  # wherever it stands
    with (
        lasting_stdout() as failed_output,
        escaped_output(with_warnings=debug or arguments[0] == "check"),
    ):  # for authors of plugins
        code = _carried_out(arguments, debug)
        if line := failed_output():
            say_error(line)
            code = code or 2
    if alone:
        ending.end_without_threads(code)
    sys.exit(code)


def _of_usage(error: Any) -> str:
    """Return what is wrong with the arguments, and what may have been meant."""
    text, context = error.format_message().rstrip("."), error.ctx
    wrong = re.match(r"(No such (command|option):? '?-*)([^'.(]*[^'.( ])", text)
    if wrong and context:
        options = [option.lstrip("-") for each in context.command.params for option in each.opts if option[:2] == "--"]
        near = nearest(wrong[3], getattr(context.command, "commands", ()) if wrong[2] == "command" else options)
        if near and wrong[2] == "command":
            return f"{wrong[0]}'; did you mean '{near}'?"
        if near:
            return f"{wrong[0]}; did you mean '--{near}'?"
    return f"{text}; try '{context.command_path if context else 'harness'} --help'"


def _carried_out(arguments: list[str], debug: bool) -> int:
    """Carry out a command and return its exit code; with ``debug`` errors are raised on."""
    usage_error: Any = typer.BadParameter.__base__  # typer brings its own copy of click, or uses click's
    try:
        code = app(arguments, standalone_mode=False, prog_name="harness", obj=tuple(arguments))
    except (HarnessError, OSError) as error:  # an OSError of a plugin is its failure, and named where it is called
        if debug:
            raise
        say_error(str(refused(error, must="be usable") if isinstance(error, OSError) else error))
        code = 2
    except usage_error as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # 'harness data' alone, as 'harness' alone
            print(error.format_message())
            return 0
        say_error(f"command line: {_of_usage(error)}")
        code = 2
    except (KeyboardInterrupt, typer.Abort):
        code = 130
    except BaseException as error:  # SystemExit too: nothing but this line decides with which code the process ends
        if debug:
            raise
        say_error(f"harness itself: {one_line(error)}; --debug shows where, please report it")
        code = 70  # EX_SOFTWARE
    say_lines((f"warning: {line}" for line in take_notes()), sys.stderr)
    if code == 130:  # which is also what typer makes of Ctrl-C
        again = f"; 'harness {shlex.join(arguments)}' goes on from here" if arguments[0] == "run" else ""
        say_lines([f"interrupted{again}"], sys.stderr)
    return code if isinstance(code, int) else 0
