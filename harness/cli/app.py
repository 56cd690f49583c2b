"""The command line: it joins the commands, one file each, and decides with which code the process ends.

Heavy imports stand inside the commands, so that ``harness --help`` is quick.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from harness.cli import (
    baseline_export,
    cache,
    check,
    compare,
    completion,
    data_get,
    data_inspect,
    data_suspects,
    docs,
    examples,
    export,
    figures,
    index,
    lr_find,
    new,
    plan,
    predict,
    report,
    run,
    show,
    status,
    watch,
)
from harness.cli import list as list_plugins
from harness.cli.usage import explain_usage_error
from harness.console import beginning, ending
from harness.console.escaping import escaped_output, say_error, say_lines
from harness.console.stdout import lasting_stdout
from harness.errors import HarnessError, one_line
from harness.errors.disk import refused
from harness.plugin.process_settings import take_notes

DONE, WRONG_INPUT, OUR_FAULT, INTERRUPTED = 0, 2, 70, 130  # exit codes; 1 is a command's own: something failed

HELP = {"help_option_names": ["-h", "--help"]}
app = typer.Typer(
    name="harness",
    help="Honest comparison of training algorithms: tune, retrain, compare, report.",
    epilog=examples.OF_ALL_COMMANDS,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings=HELP,
)
data_app, baseline_app = (
    typer.Typer(
        help=text, epilog=examples.GROUPS[name].text, no_args_is_help=True, rich_markup_mode=None, context_settings=HELP
    )
    for name, text in (
        ("data", "Look at a dataset's photos, or get them."),
        ("baseline", "Write tuned arms into a file, to compare others with."),
    )
)
app.add_typer(data_app, name="data")
app.add_typer(baseline_app, name="baseline")


def _add(name: str, command: Callable[..., None]) -> None:
    """Add a command by the words that are typed for it; its help ends with its examples and its exit codes."""
    group, _, last = name.rpartition(" ")
    to = {"": app, "data": data_app, "baseline": baseline_app}[group]
    to.command(last, epilog=examples.epilog(name))(command)


_add("run", run.command)
_add("plan", plan.command)
_add("lr-find", lr_find.command)
_add("list", list_plugins.command)
_add("check", check.command)
_add("status", status.command)
_add("watch", watch.command)
_add("show", show.command)
_add("report", report.command)
_add("figures", figures.command)
_add("index", index.command)
_add("compare", compare.command)
_add("predict", predict.command)
_add("export", export.command)
_add("new", new.command)
_add("cache", cache.command)
_add("docs", docs.command)
_add("data inspect", data_inspect.command)
_add("data suspects", data_suspects.command)
_add("data get", data_get.command)
_add("baseline export", baseline_export.command)


def _print_version(wanted: bool) -> None:
    if wanted:
        from harness import __version__

        print(f"harness {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[
        bool, typer.Option("--debug", help="Show the traceback of an error, and warnings.")
    ] = False,  # main() takes it out, wherever it stands
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Honest comparison of training algorithms."""


def main(arguments: list[str] | None = None) -> Any:
    """Run the command line and exit: 0 done, 1 some work failed, 2 wrong input, 130 interrupted, 70 our own fault."""
    owns_process = arguments is None
    if owns_process:
        beginning.note_start()
        ending.trace_crashes()
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if completion.asked(arguments):
        app(arguments, prog_name="harness")  # what the shell gets is not for people, so nothing of it is escaped
    arguments = arguments or ["--help"]
    debug = "--debug" in arguments
    if debug:
        arguments.remove("--debug")
    for_authors = debug or arguments[0] == "check"  # authors of plugins want to see warnings
    with lasting_stdout() as failed_output, escaped_output(with_warnings=for_authors):
        code = _run_command(arguments, debug)
        if line := failed_output():
            say_error(line)
            code = code or WRONG_INPUT
    if owns_process:
        ending.end_without_threads(code)
    sys.exit(code)


def _run_command(arguments: list[str], debug: bool) -> int:
    """Carry out a command and return its exit code; with ``debug`` errors are raised on."""
    usage_error: Any = typer.BadParameter.__base__  # typer brings its own copy of click, or uses click's
    try:
        code = app(arguments, standalone_mode=False, prog_name="harness", obj=tuple(arguments))
    except (HarnessError, OSError) as error:  # an OSError of a plugin is its failure, and named where it is called
        if debug:
            raise
        say_error(str(refused(error, must="be usable") if isinstance(error, OSError) else error))
        code = WRONG_INPUT
    except usage_error as error:
        if type(error).__name__ == "NoArgsIsHelpError":  # 'harness data' alone, as 'harness' alone
            print(error.format_message())
            return DONE
        say_error(f"command line: {explain_usage_error(error)}")
        code = WRONG_INPUT
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BaseException as error:  # SystemExit too: nothing but this line decides with which code the process ends
        if debug:
            raise
        say_error(f"harness itself: {one_line(error)}; --debug shows where, please report it")
        code = OUR_FAULT
    say_lines((f"warning: {line}" for line in take_notes()), sys.stderr)
    if code == INTERRUPTED:  # which is also what typer makes of Ctrl-C
        again = f"; to go on from here: harness {shlex.join(arguments)}" if arguments[0] == "run" else ""
        say_lines([f"interrupted{again}"], sys.stderr)
    return code if isinstance(code, int) else DONE
