"""LaTeX tables: braces that balance and rows that fit, whatever the names hold; BibTeX and CSV have tests of their own."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from harness_reports import latex
from harness_reports._words.latex import escaped_number, floating_table
from harness_reports._words.latex_layout import SIZES, width_of

from harness import Results, latex_text
from harness.benchmark.sections.verdict import VerdictSection

HOSTILE = ["<script>", "a\\b{c}$d$", "x_y^z~%#&", '"quoted" [opt]', "*star", "x" * 300, "emoji \U0001f600 ü", "--"]
MANY = ["pytorch_optimizer:ScheduleFreeAdamW", "sam(torch:Adam)", "lookahead(schedulefree)", "sgd"]
VERDICT = {
    "hash": "ab", "registered": "before the comparison", "scope": "network", "regime": "scratch", "network": "lesson_cnn",
    "statement": "value only", "exploratory": True, "power": 0.43, "reasons": "few replicates",
    "doubts": "lost: adam lost 1 of 3 replicates\nuncontrolled: A/A: not run",
    "lines": "loss: similar (look 1 of 2, 3 searches x 2 seeds)\nfunction: different (look 2 of 2, 6 searches x 2 seeds)",
    "loss": "similar", "function": "different", "representation": "inconclusive", "connectivity": "similar",
    "geometry": "not measured", "replicates_ended": 3, "replicates_promised": 6,
}  # fmt: skip


def balanced(text: str) -> bool:
    """Whether every brace that is not escaped has its counterpart."""
    depth = 0
    for brace in re.findall(r"(?<!\\)(?:\\\\)*([{}])", text):
        depth += 1 if brace == "{" else -1
        assert depth >= 0, text
    return depth == 0


def rows(text: str) -> list[list[str]]:
    """Every row of every tabular, as cells."""
    bodies = re.findall(r"\\toprule(.*?)\\bottomrule", text, re.DOTALL)
    lines = [line for body in bodies for line in body.splitlines() if line.endswith(r"\\")]
    return [re.split(r"(?<!\\)&", line.removesuffix(r"\\")) for line in lines]


def test_tables_have_the_numbers_of_the_leaderboard(make_records: Any, analysed: Any) -> None:
    results = analysed(make_records())
    text = latex.render(results)
    board = results.tables["leaderboard"]
    best = board[board["metric"] == "test_accuracy"].iloc[0]
    first = next(i for i, row in enumerate(rows(text)) if [cell.strip() for cell in row[:2]] == ["sgd", "8"])
    mean, below = (rows(text)[i][2].strip() for i in (first, first + 1))
    assert mean == f"{100 * best['mean']:.2f}"
    assert below == f"{{\\footnotesize[{100 * best['low']:.2f}, {100 * best['high']:.2f}]}}"
    assert "mean {[}95 \\% interval{]} over 8 seeds, 12 epochs each, tuned by 12 trials per arm" in text
    assert text.count(r"\begin{table") == text.count(r"\end{table") == 3  # leaderboard, leads, tuned
    assert text.count(r"\toprule") == text.count(r"\midrule") == text.count(r"\bottomrule") == 3
    assert r"\label{tab:made-up-leaderboard}" in text
    assert "DRAWINGS" in text
    assert text == latex.render(analysed(make_records()))


def test_rows_have_as_many_cells_as_there_are_columns(make_records: Any, analysed: Any) -> None:
    text = latex.render(analysed(make_records(["a&b", "c"], seeds=2)))
    for tabular in re.findall(r"\\begin\{tabular\}.*?\\end\{tabular\}", text, re.DOTALL):
        columns = re.match(r"\\begin\{tabular\}\{@\{\}(.*?)@\{\}\}\n", tabular)
        assert columns
        wanted = len(re.sub(r"p\{[^}]*\}", "p", columns[1]))
        assert {len(row) for row in rows(tabular)} == {wanted}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text(name: str, make_records: Any, analysed: Any) -> None:
    text = latex.render(analysed(make_records([name, "plain"], seeds=2)))
    assert balanced("\n".join(line for line in text.splitlines() if not line.startswith("%")))
    assert all(not row[0].strip().startswith(("[", "*")) for row in rows(text))  # they would belong to the \\ before
    assert text.count("$") % 2 == text.count(r"\$") % 2
    assert all(ord(letter) < 0x180 for letter in text)


def test_every_special_letter_is_escaped() -> None:
    assert latex_text("a_b & 50 % of $x$ #1 ^~") == r"a\_b \& 50 \% of \$x\$ \#1 \textasciicircum{}\textasciitilde{}"
    assert latex_text("\\{}") == r"\textbackslash{}\{\}"
    assert latex_text("a\n\tb\x00c") == "a b c"
    assert escaped_number("-0.50") == "$-$0.50"
    assert escaped_number("1e-05") == "$10^{-5}$"
    assert escaped_number("1.25e-10") == r"$1.25\times 10^{-10}$"


@pytest.fixture
def judged(make_records: Any, analysed: Any) -> Any:
    """Return a function from changes of the verdict's row to results that have it, with a protocol."""

    def judge(**changes: Any) -> Results:
        records = make_records()
        benchmark = dict(records.meta.benchmark)
        benchmark["compare"] = {**benchmark["compare"], "fit": 0.01}
        benchmark["verdict"] = VerdictSection().model_dump()
        results = analysed(replace(records, meta=replace(records.meta, benchmark=benchmark)))
        rows = [{**VERDICT, **changes}, {**VERDICT, "scope": "pooled"}]
        return Results(results.records, {**results.tables, "verdict": pd.DataFrame(rows)})

    return judge


def test_a_verdict_is_a_table_of_facets_and_its_doubts_are_not_set(judged: Any) -> None:
    text = latex.render(judged())
    words = [[cell.strip() for cell in row] for row in rows(text)]
    assert words[:5] == [
        ["", r"lesson\_cnn"], ["verdict", "value only (scratch)"], ["loss", "similar"],
        ["function", "different"], ["representation", "inconclusive"],
    ]  # fmt: skip
    assert r"43~\%" in text
    comments, _, table = text[text.index("% The verdict,") :].partition(r"\begin{table}")
    assert comments.splitlines()[1:] == ["% lesson_cnn: few replicates"]
    head = text.partition("\n\n")[0].splitlines()
    assert "% - adam lost 1 of 3 replicates." in head[head.index(f"% {latex.DOUBTS}") :]
    assert "lost 1 of 3" not in table.partition(r"\end{table}")[0]


def test_the_note_below_a_verdict_says_what_was_compared_and_by_which_rules(judged: Any) -> None:
    text = latex.render(judged())
    (note,) = re.findall(r"\\footnotesize (Compared.*)}", text)
    assert re.sub("Protocol [0-9a-f]{12}", "Protocol ID", note) == (
        r"Compared: sgd, adam and rmsprop. lesson\_cnn: 3 replicates of 6. A replicate has a search of 12 trials and 8 seeds "
        "for each arm. Margins: objective 0.02 nats, train loss 0.02 nats, test accuracy 0.5 points, test loss by a ratio of "
        "1.1, distances of predictions by a ratio of 1.1, scatter of networks by a ratio of 1.25, distances of features by a "
        "ratio of 1.1, barrier in train error 2 points. Level 0.05. Protocol ID, registered never; read from the benchmark "
        "file as it stands."
    )


def test_a_command_in_a_doubt_is_not_set_in_the_paper(judged: Any) -> None:
    doubt = "unmeasured: geometry was not measured: harness run x.toml --set 'compare.probes=[\"a\"]'"
    lines = [line for line in latex.render(judged(doubts=doubt)).splitlines() if "harness run" in line]
    assert lines
    assert all(line.startswith("%") for line in lines)


@pytest.mark.parametrize("about", [{"compared": False}, {"seeds": 1}, {"optimizers": ["sgd"]}])
def test_it_is_written_for_whatever_there_is(make_records: Any, analysed: Any, about: Any) -> None:
    assert latex.render(analysed(make_records(**about))).startswith("% made-up: dogscats, 1,024 train")


def test_without_analyses_there_are_still_the_tuned_parameters(make_records: Any) -> None:
    text = latex.render(Results(make_records(), {}))
    assert text.count(r"\begin{table") == 1
    assert "lr~" in text


@pytest.mark.parametrize("options", ["", "twocolumn", "twocolumn,a4paper"])
def test_latex_sets_it_and_no_table_is_too_wide(
    judged: Any, make_records: Any, analysed: Any, tmp_path: Any, set_by_latex: Any, options: str
) -> None:
    many = latex.render(analysed(make_records(MANY, seeds=2, networks=["mobilenetv2_100+linear", "mlp"])))
    hostile = latex.render(analysed(make_records(HOSTILE, seeds=2)))
    wide = floating_table(
        latex_text(f"The best arms are not told apart (sgd and {'W' * 60})."), "wide", ["arm"], "l", [["sgd"]]
    )
    log = set_by_latex(f"{latex.render(judged())}\n{many}\n{hostile}\n{wide}", tmp_path, "booktabs", options=options)
    assert "Overfull" not in log


@pytest.mark.parametrize("seeds", [1, 2, 8])
@pytest.mark.parametrize("names", [["sgd", "adam"], MANY, HOSTILE])
def test_no_table_is_wider_than_a_paper_as_far_as_its_letters_tell(
    names: list[str], seeds: int, make_records: Any, analysed: Any
) -> None:
    """Without LaTeX: the widths of Computer Modern's letters, the space between columns, and what may be folded."""
    text = latex.render(analysed(make_records(names, seeds=seeds)))
    tables = re.findall(
        r"\\begin\{table(\*?)\}.*?\\centering(\S*)\n.*?\\begin\{tabular\}(.*?)\\end\{tabular\}", text, re.DOTALL
    )
    assert len(tables) >= 2
    for star, command, tabular in tables:
        (size,) = [
            size
            for size in SIZES
            if (size.environment == f"table{star}") and size.command == command.partition(r"\setlength")[0]
        ]
        spec = re.findall(r"p\{[^}]*\}|[lr]", tabular.splitlines()[0].replace("@{}", ""))
        cells = list(zip(*rows(rf"\toprule{tabular.partition('toprule')[2]}"), strict=True))
        fixed = [
            max(width_of(cell.strip()) for cell in column)
            for kind, column in zip(spec, cells, strict=True)
            if kind in "lr"
        ]
        folded = [float(em) for em in re.findall(r"p\{([\d.]+)em\}", "".join(spec))]
        assert size.em * sum([*fixed, *folded]) + 2 * size.gap * (len(spec) - 1) <= size.width


@pytest.mark.parametrize(
    ("text", "points"),
    [
        ("abcdefghijklmnopqrstuvwxyz", 127.6),
        ("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 187.4),
        ("0123456789", 50.0),
        ("[97.51, 98.43]", 56.7),
    ],
)
def test_widths_are_those_of_computer_modern_or_a_little_more(text: str, points: float) -> None:
    assert points <= 10 * width_of(text) <= 1.12 * points


def test_a_table_may_have_a_note() -> None:
    assert r"\par\smallskip{\footnotesize mind this}" in floating_table("c", "l", ["a"], "l", [["b"]], "mind this")
