"""What reaches the console: names that would steer a terminal, values without end, other alphabets, and broken streams."""

from __future__ import annotations

import copy
import io
import re
import shutil
import subprocess
import sys
import unicodedata
import warnings

import numpy as np
import pytest

from harness.benchmark.sections import Benchmark
from harness.benchmark.toml import read
from harness.cli.app import main
from harness.console import escaping
from harness.console.escaping import EscapingStream
from harness.console.progress import Reporter
from harness.errors import LONGEST_LINE, LONGEST_VALUE, BenchmarkError, HarnessError, did_you_mean, printable, shown
from harness.plugin.contracts import KINDS

POISON = (
    "\x1b]0;owned\x07\x1b[2J\x1b[31m\x9b1A\x1b]8;;evil\x1b\\[red]:skull:\u202eoga\u2066\u200b\r\t\x0b\x7f\n\x1b[1Afoo"
)
OWN = re.compile(r"\x1b\[(?:[0-9;]*m|\?25[lh]|[12]K|[0-9]*A)|\r")  # what rich draws a bar with


def steers(text):
    """Return the characters that steer a terminal, hide, or turn the direction of writing; line feeds are none."""
    return {c for c in text if c != "\n" and unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp")}


# --- printable and shown


def test_every_character_is_printable_afterwards_and_others_are_unchanged():
    for code in (
        *range(0x10000),
        *range(0x1BC00, 0x1BD00),
        *range(0x1D100, 0x1D200),
        *range(0xE0000, 0xE0200),
        0x10FFFF,
    ):
        c = chr(code)
        text = printable(c)
        if (
            unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")
            or c in "\u202e\u2066\u200b\u200e\u200d\ufeff\u00ad\u061c"
        ):
            assert text.startswith("\\")
            assert text.isascii()
        elif text != c:
            assert unicodedata.category(c) in ("Cf", "Lo", "Mn", "Cn")  # of the last three, those without ink
        assert printable(text) == text


def test_joiners_stay_where_writing_needs_them():
    for text in (
        "می\u200cخواهم",  # noqa: RUF001
        "\U0001f468\u200d\U0001f469\u200d\U0001f467",
        "क्\u200dष",
        "\U0001f3f3\ufe0f\u200d\U0001f308",
    ):
        assert printable(text) == text
    assert printable("ad\u200dam") == r"ad\u200dam"
    assert printable("adam\u200c") == r"adam\u200c"
    assert printable("ад\u200dам") == r"ад\u200dам"  # noqa: RUF001


class Rude:
    def __repr__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "true"), (1, "1"), (1e-3, "0.001"), ("adam", "'adam'"), ([1, False], "[1, false]"),
        ({"low": 1, "log": True}, "{low = 1, log = true}"), ({"a": {"b": [{"c": {}}]}}, "{a = {b = [{...}]}}"),
        ("a\nb\x1b", r"'a\nb\x1b'"), (Rude(), "a Rude"), (1 << 16609, "a number of 16610 bits"),
    ],
    ids=range(10),
)  # fmt: skip
def test_a_value_is_shown_as_toml_has_it(value, text):
    assert shown(value) == text


@pytest.mark.parametrize(
    "value",
    ["x" * 5000, "'" * 500, [1] * 5000, {"k" * 5000: 1}, {str(n): n for n in range(5000)}, "\x1b" * 300, 9**999],
)
def test_a_value_is_shown_short(value):
    assert len(shown(value)) <= LONGEST_VALUE
    assert shown(value).isprintable()


def test_an_error_is_one_line_whatever_it_names():
    assert str(HarnessError(f"a{POISON}b\u2028c\n\n   d")).isprintable()
    assert str(HarnessError("a\n\tb")) == "a b"


# --- hints


def test_names_in_capitals_are_known(registry):
    names = {kind: sorted(registry.offers[kind]) for kind in KINDS}
    sections = [
        Benchmark,
        *(f.annotation for f in Benchmark.model_fields.values() if hasattr(f.annotation, "model_fields")),
    ]
    for known in (*names.values(), *(list(section.model_fields) for section in sections)):
        for name in known:
            assert did_you_mean(name.upper(), known) == f"; did you mean '{name}'?"
    assert sum(map(len, names.values())) > 80


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["PLAN"], "No such command 'PLAN'; did you mean 'plan'?"),
        (["data", "INSPECT"], "No such command 'INSPECT'; did you mean 'inspect'?"),
        (["pln"], "No such command 'pln'; did you mean 'plan'?"),
        (["plan", "--PROFILE"], "No such option: --PROFILE; did you mean '--profile'?"),
        (["plan", "--profle", "x"], "No such option: --profle; did you mean '--profile'?"),
        (["plan", "--zzz"], "No such option: --zzz; try 'harness plan --help'"),
        (["zzz"], "No such command 'zzz'; try 'harness --help'"),
    ],
)
def test_commands_and_options_in_capitals_are_known(capsys, arguments, line):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert (ended.value.code, capsys.readouterr().err) == (2, f"error: command line: {line}\n")


def test_a_list_is_not_repeated():
    assert did_you_mean("zzz", ["number", "name"], listed=True) == ""
    assert did_you_mean("zzz", ["number", "name"]) == "; there is name, number"


# --- the escaping stream


class Full(io.StringIO):
    def write(self, text):
        raise OSError(28, "No space left on device")


def test_only_line_breaks_get_through():
    stream = io.StringIO()
    print(POISON, file=EscapingStream(stream))
    EscapingStream(stream).writelines(["a\r\n", "b\rc"])
    assert not steers(stream.getvalue())
    assert stream.getvalue().endswith("\na\nb\nc")
    assert copy.copy(EscapingStream(stream)).stream is stream


def test_on_a_terminal_only_the_colours_of_the_bar_get_through(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", EscapingStream(stream))
    monkeypatch.setattr(sys, "stderr", EscapingStream(stream))
    with Reporter() as reporter:
        reporter.preparing(POISON, 1, 4)
        reporter.move(POISON, 1, 4)
        reporter.say(f"warning: {POISON}", style="yellow")
        print(POISON)  # as a plugin may
        print(POISON, file=sys.stderr)
        reporter.preparing(POISON, 4, 4)
    drawn = stream.getvalue()
    assert "\x1b[33mwarning: " in drawn
    assert not steers(OWN.sub("", drawn))
    assert "[red]:skull:" in drawn  # no markup, no emoji
    assert not re.search(r"\x1b\[[0-9;]*31m", drawn)


def called(monkeypatch, arguments, stdout, stderr):
    """Return the exit code of a command with other streams."""
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", stdout)
        patched.setattr(sys, "stderr", stderr)
        with pytest.raises(SystemExit) as ended:
            main(arguments)
    return ended.value.code or 0


@pytest.mark.parametrize("stderr", [None, Full()])
def test_without_standard_error_the_code_is_right_and_nothing_goes_elsewhere(monkeypatch, stderr):
    out = io.StringIO()
    assert called(monkeypatch, ["plan", "nowhere.toml"], out, stderr) == 2
    assert called(monkeypatch, ["nothing"], out, stderr) == 2
    assert called(monkeypatch, ["list", "metric"], out, stderr) in (0, 2)
    assert "error" not in out.getvalue()


def test_no_file_that_is_opened_takes_the_place_of_a_closed_stream(tmp_path):
    code = (
        "import os, sys\nfor number in range(3): os.close(number)\nsys.stdin = sys.stdout = sys.stderr = None\n"
        f"from harness.console import escaping\nwith escaping.escaped_output():\n    file = open({str(tmp_path / 'a')!r}, 'w')\n"
        "    print('lost')\n    file.write(str(file.fileno() > 2))\n    file.close()\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert (tmp_path / "a").read_text() == "True"


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
def test_what_an_alphabet_has_not_is_written_plainly(monkeypatch, encoding):
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", out)
        with escaping.escaped_output():
            print("51.6 ± 1.1 %, 3 × 4 → … \N{CAT FACE} \udce9")
            Reporter().say("± \N{CAT FACE}")
    text = out.buffer.getvalue().decode(encoding)
    assert text.startswith("51.6 +- 1.1 %, 3 x 4 -> ... " if encoding == "ascii" else "51.6 ± 1.1 %, 3 × 4 ")
    assert text.splitlines()[0].endswith(r"\xe9")
    assert ("\N{CAT FACE}" in text) == (encoding == "utf-8")


def test_warnings_stand_in_the_way_of_nobody_but_authors(tmp_path, capsys, monkeypatch):
    plugin = tmp_path / "loud.py"
    plugin.write_text(
        "import logging, warnings\nfrom harness import Optimizer, hookimpl\n"
        "warnings.warn('an old name')\nlogging.getLogger('loud').warning('a log line')\n"
        "@hookimpl\ndef harness_optimizers():\n    return [Optimizer('loud', lambda p, lr: None, {}, {'lr': 0.1})]\n"
    )
    for arguments, loud in ((["list", "optimizer"], False), (["list", "optimizer", "--debug"], True)):
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            monkeypatch.setattr(warnings, "showwarning", lambda message, *_: print(message, file=sys.stderr))
            with pytest.raises(SystemExit) as ended:
                main([*arguments, "--plugin", str(plugin)])
        out, err = capsys.readouterr()
        assert (ended.value.code or 0) == 0
        assert "loud" in out
        assert ("an old name" in err) == loud
        assert loud or err == ""


# --- text of a benchmark file

TEXT = 'name = "a"\n[train]\nl2 = 0.1\n'


@pytest.mark.parametrize(
    "content", [b"\xef\xbb\xbf" + TEXT.encode(), TEXT.replace("\n", "\r\n").encode(), TEXT.replace("\n", "\r").encode()]
)
def test_a_byte_order_mark_and_any_line_ends_are_read(tmp_path, content):
    file = tmp_path / "a.toml"
    file.write_bytes(content)
    source = read(file)
    assert source.values == {"name": "a", "train": {"l2": 0.1}}
    assert source.where("train", "l2") == f"{file}:3: train.l2"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (TEXT.encode("utf-16"), ": must be text in UTF-8, got UTF-16 or another encoding; save it as UTF-8"),
        (TEXT.encode("utf-16-le"), ": must be text in UTF-8, got UTF-16 or another encoding; save it as UTF-8"),
        (TEXT.encode() + b"# caf\xe9", ":4: must be text in UTF-8, got the byte 0xe9; save it as UTF-8"),
        ("# \u0085 \u2028 \n\nb =\n".encode(), ":3: must be valid TOML, got a value that TOML does not have: 'b ='; texts stand in quotes"),
        ("# \u0085\n[a]\nb = adam\n".encode(), ":3: must be valid TOML, got a value that TOML does not have: 'b = adam'; texts stand in quotes"),
        (b"a = 'x\nb = 1", ":1: must be valid TOML, got a text without its closing quote: \"a = 'x\""),
        (b"a = 'x\nb = 'y'", ":1: must be valid TOML, got a text without its closing quote: \"a = 'x\""),
        (b"a = [1, 2\n", ":1: must be valid TOML, got a list without its ']', or without a comma: 'a = [1, 2'"),
        (b"[a]\nb = 1\n[a]\n", ":3: must be valid TOML, got a key or a table that is there already: '[a]'"),
        (b"b = [\n1,\n]\na = [\n1,\n2\n\n", ":4: must be valid TOML, got a list without its ']', or without a comma: 'a = ['"),
        (b"[a\n", ":1: must be valid TOML, got a table's name without its closing bracket: '[a'"),
        (b"a = 1 2", ":1: must be valid TOML, got something more behind a value: 'a = 1 2'; texts stand in quotes"),
        (b"a = 1\n# \x1b[2J", r":2: must be valid TOML, got a control character: '# \x1b[2J'"),
    ],
)  # fmt: skip
def test_what_is_no_toml_is_said_in_plain_words_on_the_right_line(tmp_path, content, line):
    file = tmp_path / "a.toml"
    file.write_bytes(content)
    with pytest.raises(BenchmarkError) as error:
        read(file)
    assert str(error.value) == f"{file}{line}"


def test_lines_are_counted_as_editors_do(tmp_path):
    file = tmp_path / "a.toml"
    file.write_text("# \u0085 \u2028\n[train]\nl2 = 1\n", encoding="utf-8")
    assert read(file).where("train", "l2") == f"{file}:3: train.l2"


# --- whole commands

BENCHMARK = """
name = "small"
plugins = ["rude.py"]
[data]
dataset = "folder"
size = 16
tune = 0.3
[train]
executor = "inprocess"
optimizers = ["sgd", "rude"]
batch_size = 8
precision = "fp32"
device = "cpu"
threads = 1
[search]
trials = 1
epochs = [1]
[compare]
looks = [1]
seeds = 2
epochs = 1
untuned = 0
gate = false
probes = []
[report]
formats = []
paths = false
"""
RUDE = f"""
import sys
import torch
from harness import Optimizer, Report, hookimpl
POISON = {POISON!r}
print(POISON)

class Rude(torch.optim.SGD):
    def step(self, closure=None):
        print(POISON, file=sys.stderr)
        raise RuntimeError(POISON)

@hookimpl
def harness_optimizers():
    return [Optimizer("rude", Rude, {{}}, {{"lr": 0.1}}, reference=POISON)]

def render(results):
    raise RuntimeError(POISON)

@hookimpl
def harness_reports():
    return [Report("rude_report", "txt", render)]
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with photos, a plugin and a benchmark, all with names and words that would steer a terminal."""
    from PIL import Image

    root = tmp_path_factory.mktemp("place")
    random = np.random.default_rng(0)
    for split, count in (("train", 20), ("valid", 8)):
        for number, label in enumerate((f"cats{POISON.replace('/', '')}", "dogs")):
            folder = root / f"photos{chr(27)}[31m" / split / label
            folder.mkdir(parents=True)
            for i in range(count):
                pixels = random.integers(0, 100, (20, 20, 3), dtype=np.uint8)
                pixels[..., number] += 100
                Image.fromarray(pixels).save(folder / f"{i}\x1b[2J\u202e.png")
            (folder / "broken\x1b]0;x\x07.png").write_bytes(b"nothing")
    (root / "rude.py").write_text(RUDE)
    (root / "b.toml").write_text(BENCHMARK)
    return root


@pytest.fixture(scope="module")
def spoken(place):
    """Return a function that calls a command there, and returns its exit code with all that it printed."""

    def call(*arguments):
        patched = pytest.MonkeyPatch()
        out, err = io.StringIO(), io.StringIO()
        with patched.context() as here:
            here.chdir(place)
            here.setattr(sys, "stdout", out)
            here.setattr(sys, "stderr", err)
            with warnings.catch_warnings(), pytest.raises(SystemExit) as ended:
                main([str(argument) for argument in arguments])
        return ended.value.code or 0, out.getvalue(), err.getvalue()

    return call


@pytest.fixture(scope="module")
def whole(place, spoken):
    """The first run there: its folder, its exit code and what it printed."""
    photos = next(place.glob("photos*"))
    result = spoken("run", "b.toml", "--data", photos, "--set", "data.on_bad_image=skip")
    folders = list((place / "runs").iterdir())
    assert folders, result
    return folders[0], result


def test_a_run_prints_nothing_that_steers_a_terminal(whole):
    _, (code, out, err) = whole
    assert code == 1  # the rude arm failed
    assert not steers(out + err)
    assert r"RuntimeError: \x1b]0;owned" in out
    assert r"\x1b[2J" in err  # the plugin's own words
    assert "broken" in out


COMMANDS = [
    ("status", "RUN"), ("show", "RUN", "--plugin", "rude.py"), ("report", "RUN", "--format", "md,rude_report", "--plugin", "rude.py"),
    ("compare", "RUN", "RUN2"), ("predict", "RUN", "NEW", "--arm", "lesson_cnn/sgd/cosine", "--ids", "name", "--plugin", "rude.py"),
    ("export", "RUN", "--arm", "lesson_cnn/sgd/cosine", "--plugin", "rude.py"), ("data", "suspects", "RUN", "--plugin", "rude.py"),
    ("data", "inspect", "b.toml", "--data", "PHOTOS"), ("plan", "b.toml", "--data", "PHOTOS", "--set", "data.on_bad_image=skip"),
    ("list", "--plugin", "rude.py"), ("check", "rude.py", "--quick", "--kind", "report"), ("baseline", "export", "RUN"),
    ("new", "optimizer", "fine", "--out", "x\x1b[2J"),
    ("lr-find", "b.toml", "--data", "PHOTOS", "--set", "data.on_bad_image=skip", "--arm", "lesson_cnn/sgd/cosine", "--steps", "20"),
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command[:2]))
def test_no_command_prints_what_steers_a_terminal(place, whole, spoken, command):
    folder, _ = whole
    photos = next(place.glob("photos*"))
    second = place / "second"
    if not second.exists():
        shutil.copytree(folder, second)
    places = {"RUN": folder, "RUN2": second, "PHOTOS": photos, "NEW": next((photos / "valid").iterdir())}
    code, out, err = spoken(*(places.get(word, word) for word in command))
    assert not steers(out + err)
    assert code in (0, 1, 2), err
    assert out + err
    assert all(len(line) <= LONGEST_LINE + 10 for line in err.splitlines() if line.startswith("error: "))


WRONG = [
    ("status", POISON), ("show", POISON), ("report", POISON), ("compare", POISON, POISON), ("predict", POISON, POISON),
    ("export", POISON), ("data", "suspects", POISON), ("data", "inspect", POISON), ("plan", POISON), ("plan", "b.toml", "--profile", POISON),
    ("plan", "b.toml", "--set", POISON), ("plan", "b.toml", "--set", f"train.optimizers=['{POISON}']"), ("plan", "b.toml", "--set", f"{POISON}=1"),
    ("plan", "b.toml", "--set", f'train."{POISON}"=1'), ("plan", "b.toml", "--set", f"search.sampler='''{POISON}'''"),
    ("plan", "b.toml", "--block", POISON), ("plan", "b.toml", "--plugin", POISON), ("list", POISON), ("check", POISON),
    ("check", "sgd", "--kind", POISON), ("baseline", "export", POISON), ("new", POISON, "x"), ("new", "optimizer", POISON),
    ("lr-find", "b.toml", "--data", POISON), ("data", "get", POISON), (POISON,), ("run", "--" + POISON), ("run", "b.toml", "--data", POISON),
    ("run", "b.toml", "--set", "data.dataset='" + "x" * 5000 + "'"), ("list", "x" * 5000), ("plan", "x" * 5000),
    ("plan", "b.toml", "--set", "train.optimizers=['" + "x" * 5000 + "']"), ("plan", "b.toml", "--set", "a" * 5000 + "=1"),
    ("plan", "b.toml", "--set", 'name="\udcff"'), ("plan", "b.toml", "--set", "\udcff\udcfe"), ("plan", "\udcff.toml"), ("\udcff",),
    ("plan", "b.toml", "--profile", "\udcff"), ("check", "\udcff"), ("data", "get", "\ud800"),
]  # fmt: skip


@pytest.mark.parametrize("command", WRONG, ids=lambda command: ascii(" ".join(command))[1:40])
def test_a_wrong_name_is_one_short_printable_line(spoken, command):
    code, out, err = spoken(*command)
    assert code == 2, err
    assert out == "" or not steers(out)
    line = err.removesuffix("\n")
    assert line.isprintable()
    assert line.startswith("error: ")
    assert len(line) <= LONGEST_LINE + len("error: ")
