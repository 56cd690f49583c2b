"""Figures for a paper: vectors with their fonts, as wide as a column, and texts that LaTeX takes as they are."""

from __future__ import annotations

import re
import zlib
from itertools import pairwise
from pathlib import Path

import pytest

from harness.errors import BenchmarkError, DataError
from harness.results import paper
from harness.results.pictures.fitting import at_width
from harness.results.pictures.writing import INCHES, inches_of


def draw():
    """Return two figures as a report draws them."""
    from matplotlib.figure import Figure

    drawn = {}
    for name, text in (("board", "error_rate (%) of ü & $x$ #1"), ("map", "plain")):
        figure = Figure(figsize=(4.1, 2.0), layout="constrained")
        axes = figure.subplots()
        axes.plot([0, 1], [-1, 2])
        axes.scatter([0.1, 0.2], [0.3, 0.4], rasterized=name == "map")
        axes.set_xlabel(text, parse_math=False)
        axes.set_ylabel("√(1 - CKA) 10⁻⁵ ¼", parse_math=False, family="sans-serif")
        figure.set_label(f"{name}: what it shows")
        drawn[name] = figure
    return drawn


@pytest.fixture
def figures(monkeypatch):
    """Have a run's report draw two figures."""
    monkeypatch.setattr(paper, "results_of", lambda folder, registry: None)
    monkeypatch.setattr(paper, "figures_of", lambda results, registry: draw())


def write(out: Path, *formats: str, **options):
    return paper.write_figures(Path("run"), out, paper.FigureRequest(formats, **options), None)


def inflated(pdf: bytes) -> bytes:
    """Return the streams of a PDF, unpacked, behind one another."""
    streams = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
    return b"\n".join(_inflated(stream) for stream in streams)


def _inflated(stream: bytes) -> bytes:
    try:
        return zlib.decompress(stream)
    except zlib.error:
        return stream


@pytest.mark.parametrize(("columns", "inches"), [(1, 3.05), (2, 6.25)])
@pytest.mark.usefixtures("figures")
def test_a_pdf_is_a_vector_as_wide_as_its_columns_with_its_font_in_it(tmp_path, columns, inches):
    files = write(tmp_path / "out", "pdf", columns=columns)
    assert [file.name for file in files] == ["board.pdf", "map.pdf"]
    pdf = files[0].read_bytes()
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ([\d.]+) \]", pdf)
    assert float(box[1]) == pytest.approx(72 * inches, abs=0.5)
    assert b"/FontFile2" in pdf  # a TrueType font, embedded
    assert b"/Subtype /Type3" not in pdf
    assert b"/Subtype /Image" not in pdf
    assert b" l\n" in inflated(pdf)  # lines
    assert b"/CreationDate" not in pdf
    assert write(tmp_path / "again", "pdf", columns=columns)[0].read_bytes() == pdf


@pytest.mark.usefixtures("figures")
def test_a_pgf_picture_needs_no_latex_to_be_written_and_no_text_in_it_is_a_command(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    files = write(tmp_path / "out", "pgf")
    assert [file.name for file in files] == ["board.pgf", "map.pgf", "map-img0.png"]
    text = files[0].read_text(encoding="utf-8")
    assert r"error\_rate (\%) of ü \& \$x\$ \#1" in text
    drawn = text[text.index(r"\begin{pgfpicture}") : text.index(r"\end{pgfpicture}")]
    assert drawn.count("{") == drawn.count("}")
    assert r"\pgfqpoint{3.050000in}" in drawn
    assert r"\includegraphics" in files[1].read_text(encoding="utf-8")
    assert "map-img0.png" in files[1].read_text(encoding="utf-8")


@pytest.mark.usefixtures("figures")
def test_an_svg_has_its_letters_as_outlines_and_the_same_bytes_again(tmp_path):
    files = write(tmp_path / "out", "svg")
    text = files[0].read_text(encoding="utf-8")
    width = re.search(r'width="([\d.]+)pt"', text)
    assert float(width[1]) == pytest.approx(72 * 3.05, abs=0.5)
    assert "<text" not in text
    assert "<dc:date>" not in text
    assert write(tmp_path / "again", "svg")[0].read_bytes() == files[0].read_bytes()


@pytest.mark.usefixtures("figures")
def test_latex_sets_a_pgf_picture_in_its_own_font(tmp_path, set_by_latex):
    files = write(tmp_path / "out", "pgf")
    text = files[0].read_text(encoding="utf-8")
    assert r"$\surd$(1 {-} CKA) 10$^{-}$$^{5}$ $\frac{1}{4}$" in text
    assert r"\sffamily" not in text
    pictures = "\n".join(rf"\noindent\input{{{file.name}}}\par" for file in files if file.suffix == ".pgf")
    assert "Overfull" not in set_by_latex(pictures, tmp_path / "out", "graphicx", "pgf", options="twocolumn,a4paper")


@pytest.mark.usefixtures("figures")
def test_a_folder_of_figures_is_written_again_and_another_one_is_left_alone(tmp_path):
    out = tmp_path / "out"
    write(out, "pdf", names=("board",))
    assert sorted(file.name for file in out.iterdir()) == ["board.pdf", "captions.txt"]
    write(out, "pdf", "pgf")
    captions = (out / "captions.txt").read_text(encoding="utf-8")
    assert "board: board: what it shows.\n" in captions
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "board.pdf").write_text("mine")
    with pytest.raises(DataError, match="figures --out: must be a new folder, or one that this command wrote"):
        write(tmp_path / "mine", "pdf")
    assert (tmp_path / "mine" / "board.pdf").read_text() == "mine"


@pytest.mark.usefixtures("figures")
def test_what_there_is_not_is_one_line(tmp_path):
    with pytest.raises(BenchmarkError, match="figures --format: must be pdf, pgf or svg, got 'png'"):
        write(tmp_path / "out", "png")
    with pytest.raises(BenchmarkError, match="figures --columns: must be 1 or 2, got 3"):
        write(tmp_path / "out", "pdf", columns=3)
    listing = "'harness figures RUN --list' names all 2"
    with pytest.raises(
        BenchmarkError, match=rf"figures --only: must be .*, got 'bord'; did you mean 'board'\? {listing}"
    ):
        write(tmp_path / "out", "pdf", names=("bord",))
    with pytest.raises(BenchmarkError, match=f"got 'xyz'; {listing}$"):
        write(tmp_path / "out", "pdf", names=("xyz",))
    with pytest.raises(BenchmarkError, match="figures --width: must stand alone, got --columns 2 too"):
        write(tmp_path / "out", "pdf", columns=2, width="3in")
    assert not (tmp_path / "out").exists()


def test_who_asks_the_report_for_a_pdf_is_told_the_command(tmp_path, capsys):
    from harness.cli.app import main

    with pytest.raises(SystemExit) as ended:
        main(["report", str(tmp_path), "--format", "html,pdf"])
    assert ended.value.code == 2
    assert "'harness figures RUN --format pdf' writes the figures" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("width", "inches"), [("3.25in", 3.25), ("234.88pt", 3.25), ("82.55mm", 3.25), ("8.255 cm", 3.25)]
)
@pytest.mark.usefixtures("figures")
def test_a_figure_is_as_wide_as_a_paper_says(tmp_path, width, inches):
    (file,) = write(tmp_path / "out", "pdf", names=("board",), width=width)
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+) ", file.read_bytes())
    assert float(box[1]) == pytest.approx(72 * inches, abs=0.5)


@pytest.mark.parametrize("width", ["", "3.25", "3.25 inches", "1in", "30in", "-3in", "nanin", "3e0in", "in", "٣in"])
def test_a_width_that_is_none_is_one_line(tmp_path, width):
    with pytest.raises(BenchmarkError, match=r"figures --width: must be a width from 2in to 20in, such as 3\.25in"):
        write(tmp_path / "out", "pdf", width=width)


def test_one_column_and_two_fit_every_class_that_the_page_names(repository):
    """The widths of the classes are points of TeX, as LaTeX prints them."""
    text = (repository / "docs" / "report.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| .+ \| ([\d.]+) \| ([\d.]+) \| `--(\w+) (\S+)` \|$", text, re.MULTILINE)
    assert len(rows) >= 5
    for column, page, option, value in rows:
        if option == "width":
            assert inches_of(value, "--width") * 72.27 <= float(column)
            continue
        assert INCHES[1] * 72.27 <= float(column)
        assert INCHES[2] * 72.27 <= float(page)


@pytest.mark.usefixtures("figures")
def test_the_command_lists_the_figures_with_what_they_show(tmp_path, monkeypatch, capsys):
    from harness.cli.app import main

    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(["figures", str(tmp_path), "--list"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == "board: board: what it shows\nmap: map: what it shows\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("inches", [2.0, 3.05, 8.0])
def test_no_word_leaves_a_figure_of_another_width_or_meets_another(inches):
    from matplotlib.colors import to_hex
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.1, 2.0), layout="constrained")
    axes = figure.subplots()
    axes.set_title("Straight or with a bend: loss above the ends (nats)", loc="left", fontsize=8.5)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1], [f"-{i}·10⁻⁷ nats" for i in range(6)])
    lines = [axes.plot([0, 1], [i, 1], label=f"optimizer_{i}/cosine")[0] for i in range(4)]
    axes.legend(handles=lines[:2], loc="upper left", ncols=2, fontsize=8, labelcolor="#112233")
    figure.legend(handles=lines, loc="outside lower center", ncols=2, fontsize=7.5)
    made = at_width(figure, inches)
    made.draw_without_rendering()
    ticks = [label.get_window_extent() for label in axes_of(made).get_xticklabels()]
    assert len(ticks) >= 2
    assert not any(one.overlaps(other) for one, other in pairwise(ticks))
    outer, inner = made.legends[0].get_window_extent(), axes_of(made).get_legend().get_window_extent()
    for box in (axes_of(made).get_window_extent(), outer, inner, axes_of(made)._left_title.get_window_extent()):
        assert made.bbox.x0 <= box.x0
        assert box.x1 <= made.bbox.x1
    assert axes_of(made).get_window_extent().height > 0.2 * made.bbox.height
    assert made.get_figwidth() == inches
    assert {to_hex(text.get_color()) for text in axes_of(made).get_legend().get_texts()} == {"#112233"}
    figure.draw_without_rendering()
    names = figure.legends[0].get_window_extent().height  # of two rows
    assert outer.height == pytest.approx(names * {2.0: 2, 3.05: 1, 8.0: 0.5}[inches], rel=0.15)
    assert tuple(figure.get_size_inches()) == (4.1, 2.0)  # the figure itself is as it was
    assert len(axes.get_xticks()) == 6


def axes_of(figure):
    return figure.axes[0]
