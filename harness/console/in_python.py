"""What a command says, in the words of a Python caller: arguments stand in the place of options.

The functions in ``harness`` do what the commands do, and fail with the same lines. ``in_python`` rewrites such a line, and
``for_python`` does it for every error that leaves a function.
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
_COMMAND = re.compile(r"'harness ([a-z-]+)((?: [^']*)?)'")  # a command in quotes
_TYPED = re.compile(  # a whole command that can be typed, up to the end of the line
    r"(?<![\w'])harness (?:run|plan|status|show|watch|report|figures|predict|export|check|compare|lr-find|data) .*"
)
_OPTION = re.compile(
    r"(?:(?<=^)(?:figures|report|compare) )?(?<![\w-])--([a-z][a-z-]*)"  # perhaps with the command before it
    r"(?: ([a-z][\w.]*=[^\s;,)]*[^\s;,:)]|[A-Z][A-Z_]*(?:\.\w+)?(?![\w.])|'[^']*'|refit|onnx|torchscript|timm))?"
)


def in_python(line: str, words: Mapping[str, str] | None = None) -> str:
    """Return a command's line with arguments in the place of options; a command that can be typed stays as it is.

    ``words`` come first: what stands for a text of the line, such as ``{"--arm": "arms"}``.

    >>> in_python("--arm: must be an arm of the run, got 'x'")
    "arm: must be an arm of the run, got 'x'"
    >>> in_python("name their file with --set train.pretrained=FILE")
    'name their file with set={"train.pretrained": FILE}'
    >>> in_python("name its file with --plugin FILE, or --data DIR; --retry tries it again")
    'name its file with plugins=[FILE], or data=DIR; retry=True tries it again'
    >>> in_python("'harness run FILE.toml --refit' trains one; 'harness report' writes it")
    "harness.run(FILE.toml, refit=True) trains one; 'harness report' writes it"
    """
    for text, argument in (words or {}).items():
        line = line.replace(text, argument)
    parts: list[str] = []
    last = 0
    for command in [*_COMMAND.finditer(line), *_TYPED.finditer(line)]:
        if command.start() < last:
            continue
        parts += [_OPTION.sub(_argument, line[last : command.start()]), _call(command)]
        last = command.end()
    return "".join([*parts, _OPTION.sub(_argument, line[last:])])


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
        key, _, content = value.partition("=")
        return f'set={{"{key}": {content}}}' if content else f"set={value}"
    text = f'"{value}"' if value.islower() else value  # a name; what is in capitals stands for one
    return f"{name}=[{text}]" if option in LISTS else f"{name}={text}"


def _call(command: re.Match[str]) -> str:
    """Return a command in quotes as the call that does the same; any other command as it stands."""
    if command.re is _TYPED or command[1] not in FUNCTIONS:
        return command[0]
    function = f"harness.{FUNCTIONS[command[1]]}"
    words = command[2].strip()
    if not words:
        return function
    options = _OPTION.search(words)
    first = (words[: options.start()] if options else words).split()
    return f"{function}({', '.join([*first, *(_argument(option) for option in _OPTION.finditer(words))])})"
