"""What a command says, in the words of a Python caller: arguments stand in the place of options.

The functions in ``harness`` do what the commands do, and fail with the same lines. A line has one notation for what a person
can set, that of the command line: ``--clip``, ``--format timm``, ``--set train.threads=1``, ``'harness run --refit'``. Plugins,
workers and the records write lines without knowing who will read them, so no line is made for one reader alone. This module
reads the notation for the reader who has called a function: ``in_python`` rewrites a line, and ``for_python`` does it for every
error that leaves a function. ``tests/architecture/test_messages.py`` reads all messages of the code. It checks that their options
exist, that all of them can be rewritten, and that ``LISTS`` and ``FLAGS`` agree with the commands and with the functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from harness.errors import HarnessError

LISTS = {
    "plugin": "plugins",
    "block": "block",
    "format": "formats",
    "only": "names",
    "refit-arm": "refit_arms",
}  # options that a list stands for
FLAGS = frozenset(
    {
        "ensemble", "extend", "force", "light", "no-reuse", "only-measure", "only-search", "predicted", "refit", "retry",
        "snapshots", "tta",
    }
)  # options without a value  # fmt: skip
FUNCTIONS = {"run": "run", "plan": "plan", "lr-find": "lr_find", "predict": "predict", "export": "export"}
_COMMAND = re.compile(
    r"(?<!\w)'([a-z]+) ([a-z-]+)((?: [^']*)?)'"
)  # a command in quotes, of the harness or of another program
_TYPED = re.compile(  # a whole command that can be typed, up to the end of the line
    r"(?<![\w'])harness (?:run|plan|status|show|watch|report|figures|predict|export|check|compare|lr-find|data) .*"
)
_VALUE = (
    r"[a-z][\w.]*=[^\s;,)]*[^\s;,:)]"  # KEY=VALUE of --set
    r"|[A-Z][A-Z_]*(?:\.\w+)?(?![\w.])"  # a word that stands for a value, such as FILE or FILE.csv
    r"|'[^']*'"  # a value in quotes
    r"|[a-z][\w:]*(?=: )"  # a name, in the place of an error: "--format timm: must ..."
)
_OPTION = re.compile(  # perhaps with the command before it, and perhaps with a value behind it
    rf"(?:(?<=^)(?:figures|report|compare) )?(?<![\w-])--([a-z][a-z0-9-]*)(?: ({_VALUE}))?"
)


def in_python(line: str, words: Mapping[str, str] | None = None) -> str:
    """Return a command's line with arguments in the place of options; a command that can be typed stays as it is.

    ``words`` come first: what stands for a text of the line, such as ``{"--arm": "arms"}``.

    >>> in_python("--arm: must be an arm of the run, got 'x'")
    "arm: must be an arm of the run, got 'x'"
    >>> in_python("name their file with --set train.pretrained=FILE")
    'name their file with set={"train.pretrained": FILE}'
    >>> in_python("write --set 'search.epochs=[4, 8]'")
    'write set={"search.epochs": [4, 8]}'
    >>> in_python("name its file with --plugin FILE, or --data DIR; --retry tries it again")
    'name its file with plugins=[FILE], or data=DIR; retry=True tries it again'
    >>> in_python("'harness run FILE.toml --refit' trains one; 'harness report' writes it")
    "harness.run(FILE.toml, refit=True) trains one; 'harness report' writes it"
    """
    for text, argument in (words or {}).items():
        line = line.replace(text, argument)
    typed = _TYPED.search(line)
    words_before, command = (line[: typed.start()], typed[0]) if typed else (line, "")
    parts: list[str] = []
    last = 0
    for quoted in _COMMAND.finditer(words_before):
        parts += [_OPTION.sub(_argument, words_before[last : quoted.start()]), _call(quoted)]
        last = quoted.end()
    return "".join([*parts, _OPTION.sub(_argument, words_before[last:]), command])


@contextmanager
def for_python(words: Mapping[str, str] | None = None) -> Iterator[None]:
    """Word every error of the harness that leaves the block for a Python caller."""
    try:
        yield
    except HarnessError as error:
        error.args = (in_python(str(error), words),)
        raise


def _argument(match: re.Match[str]) -> str:
    """Return the argument that stands for an option, with its value where the line has one."""
    option, value = match[1], match[2]
    name = LISTS.get(option, option.replace("-", "_"))
    if option in FLAGS:
        following = match.string[match.end() : match.end() + 1]
        return name + ("" if following == ":" else "=True") + (f" {value}" if value else "")
    if value is None:
        return f"{name}=..." if match.string[: match.start()].endswith("with ") else name
    if option == "set":
        key, _, content = value.strip("'").partition("=")
        return f'set={{"{key}": {content}}}' if content else f"set={value}"
    name_of_value = value.strip("'")
    is_name = name_of_value != value or value.islower()  # what is in capitals stands for a name
    text = f'"{name_of_value}"' if is_name else value
    return f"{name}=[{text}]" if option in LISTS else f"{name}={text}"


def _call(command: re.Match[str]) -> str:
    """Return a command in quotes as the call that does the same; one that no function does, as it stands."""
    program, name, words = command[1], command[2], command[3].strip()
    if program != "harness" or name not in FUNCTIONS:
        return command[0]
    function = f"harness.{FUNCTIONS[name]}"
    if not words:
        return function
    options = _OPTION.search(words)
    first = (words[: options.start()] if options else words).split()
    return f"{function}({', '.join([*first, *(_argument(option) for option in _OPTION.finditer(words))])})"
