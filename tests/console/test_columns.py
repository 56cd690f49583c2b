"""Lines on a terminal: within its columns, broken between words; whole where there is no terminal."""

from __future__ import annotations

import io
import sys

from harness.cli.list import lines
from harness.console.columns import columns_of, cut, folded, hanging
from harness.console.escaping import say_begun, say_error, say_lines
from harness.console.progress import Reporter


class Terminal(io.StringIO):
    def isatty(self):
        return True


LONG = "  warning: " + "an arm with a name and a reason, and more of both " * 5


def test_a_long_line_is_broken_between_words_and_says_the_same():
    lines = folded(LONG, 80)
    assert max(map(len, lines)) <= 80
    assert " ".join(" ".join(lines).split()) == " ".join(LONG.split())
    assert all(line.startswith("      ") for line in lines[1:])
    assert folded(LONG, None) == [LONG]
    assert folded("short", 80) == ["short"]


def test_a_path_that_is_too_long_stays_whole():
    path = "/a-folder" * 20
    assert folded(f"report: {path}", 80) == ["report:", f"    {path}"]


def test_a_brief_line_loses_whole_words_at_its_end():
    line = "trial 4/8  rmsprop  tune loss 0.213 nats  1.33 s  lr=0.006383 alpha=0.9395 momentum=0.1901 epochs=5"
    assert cut(line, 80) == "trial 4/8  rmsprop  tune loss 0.213 nats  1.33 s  lr=0.006383 alpha=0.9395 ..."
    assert cut(line, None) == line
    assert cut("short", 80) == "short"


def test_everything_that_is_said_fits_the_terminal(monkeypatch):
    terminal = Terminal()
    for name, value in (("COLUMNS", "80"), ("TERM", "dumb")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(sys, "stderr", terminal)
    say_lines([LONG])
    say_error(LONG)
    Reporter().say(LONG)
    Reporter().say(LONG, brief=True)
    lines = terminal.getvalue().splitlines()
    assert len(lines) > 9
    assert max(map(len, lines)) <= 80


def test_off_a_terminal_nothing_is_broken(capsys):
    say_lines([LONG])
    Reporter().say(LONG, brief=True)
    assert capsys.readouterr().out == f"{LONG}\n" * 2
    assert columns_of(io.StringIO()) is None


def test_whoever_waits_at_a_terminal_hears_what_is_begun_and_a_file_does_not(monkeypatch, capsys):
    say_begun("reports of runs/x")
    assert capsys.readouterr() == ("", "")
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    say_begun("reports of runs/x")
    assert terminal.getvalue() == "reports of runs/x ...\n"


def test_words_beside_a_name_go_on_in_their_own_column():
    begins = "probe      distance         "
    for columns in range(2 * len(begins) + 4, 120):
        lines = hanging(begins, LONG, columns)
        assert all(len(line) <= columns for line in lines if " " in line[len(begins) + 2 :])
        assert all(line[: len(begins) + 2].strip() in (begins.strip(), "") for line in lines)
        assert " ".join(line[len(begins) :].strip() for line in lines).split() == LONG.split()
    assert hanging("a", "b", None) == ["a  b"]


def test_the_list_of_plugins_leaves_no_word_out():
    listing = {
        "benchmarks": [{"name": "tiny", "file": "tiny.toml", "summary": LONG}],
        "plugins": [], "catalogues": [], "broken": {}, "blocked": [],
    }  # fmt: skip
    assert " ".join(" ".join(lines(listing, columns=80)).split()) == " ".join(f"benchmark tiny {LONG}".split())
    assert max(map(len, lines(listing, columns=80))) <= 80
