"""Figures of the product's code, beside those of six well-known projects: ``python -m tests.architecture.figures``.

They show where to read again. Nothing fails on them, because a name that is only longer is no better. ``--where KIND``
prints the file and line of every place that one figure counts.
"""

from __future__ import annotations

import argparse
import ast
import io
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PRODUCT = ("harness", "plugins/harness_plugins", "reports/harness_reports")
LONG_FUNCTION, LONG_MODULE = 50, 350  # code lines of a function, lines of a file

# Words that can name any value, so that a reader has to look up what is meant: participles of finding, saying and
# keeping, pronouns, and adverbs of place. The list was made from this code as it was when issue 16 was filed (commit
# 0a1fd65), by reading its 400 most frequent names. There it gives the review's figure, 12 %. Words that mean
# something in the field stay out of it: left and right, before and after, first and last, part, rest, row, value.
_WORDS = """
about again alike another anything apart asked at beside both by each every everything far found given got here how it its
kept known made mine nothing of one ones other others own said same so some something such that their them there these
this those told wanted what when where which whole whose why with
"""
GENERIC = frozenset(_WORDS.split())

# The figures of the models: each measured in the review of issue 16 on a snapshot of the project's own package,
# fetched between 2025-09 and 2026-08. Order: tox, Optuna, httpx, curvlinops, AlgoPerf, benchopt.
MODELS = ("tox", "Optuna", "httpx", "curvlinops", "AlgoPerf", "benchopt")
OF_MODELS = {
    "code lines of a function: median": ("5", "8", "6", "7", "5", "9"),
    "code lines of a function: 90th percentile": ("22", "30", "26", "29", "35", "36"),
    "code lines of a function: 99th percentile": ("61", "78", "74", "50", "82", "93"),
    "functions over 50 code lines": ("18", "45", "8", "3", "59", "16"),
    "names in the top folder": ("12", "28", "17", "27", "14", "17"),
    "characters in a code line": ("35", "35", "28", "33", "28", "31"),
    "one-word function names (%)": ("21", "20", "48", "39", "15", "17"),
    "generic assigned names (%)": ("0.4", "0.1", "0.0", "0.2", "0.0", "0.1"),
    "nested comprehensions per 100 lines": ("0.13", "0.10", "0.02", "0.06", "0.01", "0.06"),
    "conditional expressions per 100 lines": ("1.4", "0.7", "1.4", "1.3", "0.4", "0.7"),
}

COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
DOCUMENTED = (ast.Module, ast.ClassDef, *FUNCTIONS)


@dataclass(frozen=True, order=True)
class SourceLine:
    """One line of a file, and the name or the number that makes it worth reading again."""

    file: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line} {self.text}"


@dataclass
class Counts:
    """What was counted in the files; ``of`` a figure, ``places`` are the lines it counts."""

    modules: int = 0
    functions: list[int] = field(default_factory=list)  # code lines of each
    names: int = 0  # of functions, those with double underscores left out
    assigned: int = 0
    characters: list[int] = field(default_factory=list)  # of each code line
    one_word: list[SourceLine] = field(default_factory=list)
    generic: list[SourceLine] = field(default_factory=list)
    nested: list[SourceLine] = field(default_factory=list)
    conditional: list[SourceLine] = field(default_factory=list)
    long_functions: list[SourceLine] = field(default_factory=list)
    long_modules: list[SourceLine] = field(default_factory=list)

    def per_100_lines(self, places: list[SourceLine]) -> float:
        """Return how many places there are in a hundred code lines."""
        return 100 * len(places) / max(len(self.characters), 1)


def docstring_lines(tree: ast.Module) -> set[int]:
    """Return the numbers of all lines that are part of a docstring."""
    lines: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node) is not None:
            docstring = node.body[0]
            lines |= set(range(docstring.lineno, (docstring.end_lineno or docstring.lineno) + 1))
    return lines


def code_lines(source: str, tree: ast.Module) -> set[int]:
    """Return the numbers of the lines with code on them: no blank ones, no comments, no docstrings."""
    silent = {tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT, tokenize.ENDMARKER}
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in silent:
            lines |= set(range(token.start[0], token.end[0] + 1))
    return lines - docstring_lines(tree)


def nested_comprehensions(tree: ast.AST, inside: bool = False) -> Iterator[ast.expr]:
    """Yield every comprehension that stands inside another one, or that has several loops."""
    for node in ast.iter_child_nodes(tree):
        is_comprehension = isinstance(node, COMPREHENSIONS)
        if isinstance(node, COMPREHENSIONS) and (inside or len(node.generators) > 1):
            yield node
        yield from nested_comprehensions(node, inside or is_comprehension)


def is_one_word(name: str) -> bool:
    """Return whether a function's name is a single word; leading underscores do not count."""
    return "_" not in name.strip("_")


def count_file(counts: Counts, file: Path, shown: str) -> None:
    """Add what one file has to the counts."""
    source = file.read_text(encoding="utf-8")
    tree = ast.parse(source)
    with_code = code_lines(source, tree)
    lines = source.splitlines()
    counts.modules += 1
    counts.characters += [len(lines[number - 1].strip()) for number in sorted(with_code)]
    if len(lines) > LONG_MODULE:
        counts.long_modules.append(SourceLine(shown, 1, f"{len(lines)} lines"))
    for node in ast.walk(tree):
        if isinstance(node, FUNCTIONS):
            _count_function(counts, node, with_code, shown)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            counts.assigned += 1
            if node.id.strip("_") in GENERIC:
                counts.generic.append(SourceLine(shown, node.lineno, node.id))
        elif isinstance(node, ast.IfExp):
            counts.conditional.append(SourceLine(shown, node.lineno, "if else"))
    for comprehension in nested_comprehensions(tree):
        counts.nested.append(SourceLine(shown, comprehension.lineno, "comprehension in a comprehension"))


def _count_function(
    counts: Counts, function: ast.FunctionDef | ast.AsyncFunctionDef, with_code: set[int], shown: str
) -> None:
    length = sum(function.lineno <= number <= (function.end_lineno or 0) for number in with_code)
    counts.functions.append(length)
    if length > LONG_FUNCTION:
        counts.long_functions.append(SourceLine(shown, function.lineno, f"{function.name}: {length} code lines"))
    if function.name.startswith("__") and function.name.endswith("__"):
        return
    counts.names += 1
    if is_one_word(function.name):
        counts.one_word.append(SourceLine(shown, function.lineno, function.name))


def count(root: Path = ROOT, packages: tuple[str, ...] = PRODUCT) -> Counts:
    """Return the counts of all Python files of some packages, given as folders below ``root``."""
    counts = Counts()
    for package in packages:
        for file in sorted((root / package).rglob("*.py")):
            count_file(counts, file, file.relative_to(root).as_posix())
    return counts


def top_names(package: Path) -> list[str]:
    """Return the modules and packages right in a package's folder; those with double underscores are left out."""
    modules = {file.stem for file in package.glob("*.py") if not file.stem.startswith("__")}
    return sorted(modules | {init.parent.name for init in package.glob("*/__init__.py")})


def percentile(values: list[int], percent: float) -> int:
    """Return the smallest value that at least so many percent of the values do not exceed; 0 of no values."""
    if not values:
        return 0
    rank = -(-len(values) * percent // 100)  # rounded up
    return sorted(values)[max(int(rank), 1) - 1]


def figures(counts: Counts, names: list[str]) -> dict[str, str]:
    """Return every figure as text, by the names that ``OF_MODELS`` has."""
    mean_width = sum(counts.characters) / max(len(counts.characters), 1)
    return {
        "code lines of a function: median": str(percentile(counts.functions, 50)),
        "code lines of a function: 90th percentile": str(percentile(counts.functions, 90)),
        "code lines of a function: 99th percentile": str(percentile(counts.functions, 99)),
        "functions over 50 code lines": str(len(counts.long_functions)),
        "names in the top folder": str(len(names)),
        "characters in a code line": f"{mean_width:.0f}",
        "one-word function names (%)": f"{100 * len(counts.one_word) / max(counts.names, 1):.1f}",
        "generic assigned names (%)": f"{100 * len(counts.generic) / max(counts.assigned, 1):.1f}",
        "nested comprehensions per 100 lines": f"{counts.per_100_lines(counts.nested):.2f}",
        "conditional expressions per 100 lines": f"{counts.per_100_lines(counts.conditional):.1f}",
    }


WHERE: dict[str, Callable[[Counts], list[SourceLine]]] = {
    "generic": lambda counts: counts.generic,
    "one-word": lambda counts: counts.one_word,
    "nested": lambda counts: counts.nested,
    "conditional": lambda counts: counts.conditional,
    "long": lambda counts: counts.long_functions + counts.long_modules,
}


def table(here: dict[str, str]) -> list[str]:
    """Return the lines of a table with a row a figure: the product first, then its models."""
    width = max(map(len, here))
    rows = [f"{'':{width}}  {'harness':>8}" + "".join(f"  {model:>10}" for model in MODELS)]
    for name, value in here.items():
        of_models = "".join(f"  {figure:>10}" for figure in OF_MODELS[name])
        rows.append(f"{name:{width}}  {value:>8}{of_models}")
    return rows


def main(arguments: list[str] | None = None) -> None:
    """Print the figures, or the places that one of them counts."""
    parser = argparse.ArgumentParser(prog="python -m tests.architecture.figures", description=__doc__.splitlines()[0])
    parser.add_argument("--where", choices=sorted(WHERE), help="print file:line of every place that a figure counts")
    parser.add_argument("--under", default="", help="only of files whose path begins with this, like harness/running")
    parser.add_argument("--root", type=Path, default=ROOT, help="a checkout; without this option, the one of this file")
    options = parser.parse_args(arguments)
    counts = count(options.root)
    if options.where:
        places = sorted(place for place in WHERE[options.where](counts) if place.file.startswith(options.under))
        print("\n".join(map(str, places)) if places else "none")
        return
    print("\n".join(table(figures(counts, top_names(options.root / "harness")))))
    print(f"\n{counts.modules} modules, {len(counts.functions)} functions, {len(counts.characters)} code lines")
    print(f"\nfunctions over {LONG_FUNCTION} code lines, and modules over {LONG_MODULE} lines:")
    for place in sorted(WHERE["long"](counts)):
        print(f"  {place}")


if __name__ == "__main__":
    main()
