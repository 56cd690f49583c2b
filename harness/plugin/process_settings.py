"""The settings of the process that plugins share: compared around a plugin's code, put back, and named.

A plugin may turn on autocast, patch ``torch.optim.Adam.step`` or change the default dtype, and not undo it. Everything
that ran after it in the same process would be computed otherwise. So every place that calls a plugin does so in

    with kept("analysis 'mine'"):
        analysis.compute(records)

which compares these settings before and after, puts back what differs and notes a line (``take_notes``). A run of the
training loop is an iterator, and goes through ``kept_apart``: what it changes is its own, until it ends.

A change that a library makes to itself is none of a plugin's: torch wraps ``step`` of each optimizer class when the first
one is built. Torch is looked at only where it is loaded, so that analyses and reports never load it.
"""

from __future__ import annotations

import builtins
import gc
import locale
import math
import operator
import os
import random
import signal
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, TypeVar

from harness.errors import one_line, printable

T = TypeVar("T")
OURS = (  # what trains and records, which a plugin might patch
    *("harness.training", "harness.statistics", "harness.records", "harness.plugin.contracts", "harness.plugin.runs"),
    *("harness.run.search", "harness.run.workbench", "harness.plugin.process_settings", "harness_plugins.tasks"),
    *("harness_plugins.optimizers", "harness_plugins.schedulers", "harness_plugins.backbones"),
)
WATCHED = ("numpy", "numpy.linalg", "numpy.random")  # other modules, where they are loaded
TORCHS = ("torch", "torch.nn.functional", "torch.nn.init", "torch.linalg", "torch.autograd")
OF_LIBRARIES = (
    "TORCHINDUCTOR_",
    "_TORCHINDUCTOR_",
    "TRITON_",
    "KMP_",
    "CUDA_MODULE_LOADING",
    "TORCH_NCCL_",
    "PYTEST_",
)  # that they set
_ABSENT: Any = object()


@dataclass(frozen=True)
class Change:
    """A setting that is no longer what it was."""

    name: str
    before: Any
    after: Any
    set: Callable[[Any], object]

    @property
    def line(self) -> str:
        """The change for a person: "torch's default dtype from torch.float32 to torch.float64"."""
        return f"{self.name} from {_shown(self.before)} to {_shown(self.after)}"

    def put_back(self) -> str:
        """Put the setting back; return why it could not be, in a line, or ""."""
        try:
            self.set(self.before)
        except Exception as error:  # the hard limit is lower now, the folder is gone
            return one_line(error)
        return ""

    def make_again(self) -> None:
        """Make the change again."""
        with suppress(Exception):  # then it stays put back
            self.set(self.after)


# --- around a plugin's code ----------------------------------------------------------------------------------

_notes: list[str] = []


def note_line(line: str) -> None:
    """Note a line on what a plugin did to what others use, for ``take_notes``."""
    _notes.append(line)


@contextmanager
def kept(who: str, note: Callable[[str], object] = note_line) -> Iterator[None]:
    """Put back what the code inside changes of the process's settings, also where it raises.

    ``note`` takes a line for each change, which begins with ``who``; without it ``take_notes`` returns the lines.
    """
    settings, members = taken(), members_taken()
    try:
        yield
    finally:
        said: set[str] = set()
        lines = _put_back(changed(settings), who, said)
        for line in [*lines, *_put_back(changed_members(members), who, said)]:
            note(line)
        _put_back_rest(settings)


def take_notes() -> list[str]:
    """Return the lines that were noted since the last call, each once."""
    lines = list(dict.fromkeys(_notes))
    _notes.clear()
    return lines


def kept_apart(items: Iterator[T], who: str) -> Iterator[tuple[T, list[str]]]:
    """Yield what an iterator yields, with a line for each setting that it has changed for the first time.

    Its changes are in force while it works, and put back while anybody else does: at every yield, and at its end.
    Functions that it has replaced are put back at its end alone, because looking at all of them takes a millisecond.
    What is found when the iterator is closed before its end is noted, as ``kept`` does it.
    """
    own: list[Change] = []
    said: set[str] = set()  # settings that a line has named
    members: Members | None = members_taken()  # None once they have been looked at
    try:
        while True:
            settings = taken()
            for change in own:
                change.make_again()
            lines: list[str] = []
            try:
                item = next(items, _ABSENT)
            finally:
                own = changed(settings)
                lines += _put_back(own, who, said)
                _put_back_rest(settings)
            if item is _ABSENT:
                _notes.extend(lines)
                return
            if getattr(item, "ends_run", False):
                lines += _put_back(changed_members(members), who, said) if members else []
                members = None
            yield item, lines
    finally:
        if members:
            _notes.extend(_put_back(changed_members(members), who, said))


def _put_back_rest(before: Taken) -> None:
    """Put back what putting back others has changed: torch's precision of matrix products sets those of the backends."""
    for change in changed(before):
        change.put_back()


def _put_back(changes: Sequence[Change], who: str, said: set[str]) -> list[str]:
    """Put settings back; return a line for each that is not among those already ``said``, which they join."""
    lines = []
    for change in changes:
        why = change.put_back()
        if change.name not in said:
            said.add(change.name)
            end = f"it could not be put back: {why}" if why else "it was put back"
            lines.append(printable(f"{who} changed a setting that all share, {change.line}; {end}"))
    return lines


# --- what is compared ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Setting:
    """A setting: how it is read, how it is set, and what it is in a fresh process, where that is known."""

    name: str
    get: Callable[[], Any]
    set: Callable[[Any], object]
    fresh: Any = _ABSENT
    differ: Callable[[Any, Any], bool] = operator.ne  # of before and after


@dataclass(frozen=True)
class Taken:
    """The settings at one moment."""

    values: dict[str, Any]
    environment: dict[Any, Any]


def taken() -> Taken:
    """Return the settings as they are now."""
    return Taken({setting.name: _read(setting) for setting in _settings(_torch() is not None)}, _environment())


def changed(before: Taken) -> list[Change]:
    """Return what differs from an earlier moment, in the order in which it is to be put back."""
    return [*_changed_settings(before), *_changed_variables(before.environment)]


def _changed_settings(before: Taken) -> Iterator[Change]:
    for setting in _settings(_torch() is not None):
        old, new = before.values.get(setting.name, setting.fresh), _read(setting)
        if old is not _ABSENT and new is not _ABSENT and setting.differ(old, new):
            yield Change(setting.name, old, new, setting.set)


def _environment() -> dict[Any, Any]:
    """Return the variables of the environment, undecoded where that is possible: it is forty times as fast."""
    return dict(getattr(os.environ, "_data", os.environ))


def _changed_variables(before: dict[Any, Any]) -> Iterator[Change]:
    now = _environment()
    if before == now:
        return
    for key in sorted({*before, *now}):
        name, old, new = (None if each is None else os.fsdecode(each) for each in (key, before.get(key), now.get(key)))
        assert name is not None
        if old != new and not name.startswith(OF_LIBRARIES):
            yield Change(f"the environment variable {name}", old, new, _setter_of_variable(name))


def _setter_of_variable(name: str) -> Callable[[Any], object]:
    def set_variable(value: str | None) -> None:
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value

    return set_variable


def _read(setting: Setting) -> Any:
    try:
        return setting.get()
    except Exception:  # a folder that is gone, a build of torch that lacks it
        return _ABSENT


# --- members of modules and classes, which a plugin might replace ----------------------------------------------


Members = dict[int, tuple[Any, dict[str, Any]]]  # of modules and classes, by id
_known: Members = {}  # as they were when they were last looked at


def members_taken() -> Members:
    """Return the members of modules and classes that a plugin might replace, as they are now."""
    for owner in _owners(len(sys.modules), _torch() is not None):
        _, members = _known.get(id(owner), (owner, {}))
        if not _are_same(owner, members):
            _known[id(owner)] = owner, dict(vars(owner))
    return dict(_known)


def changed_members(before: Members) -> list[Change]:
    """Return which members differ from an earlier moment."""
    changes = [
        change
        for owner, members in before.values()
        if not _are_same(owner, members)
        for change in _changed_members(owner, members)
    ]
    if (
        _torch() is not None and id(sys.modules["torch"]) not in before
    ):  # a plugin has loaded it, and may have patched it
        changes += [change for owner in _torch_owners() for change in _strange_members(owner)]
    return changes


def _are_same(owner: Any, members: dict[str, Any]) -> bool:
    now = vars(owner)
    return len(now) == len(members) and all(map(operator.is_, now.values(), members.values()))


@lru_cache(maxsize=1)
def _owners(_: int, torch: bool) -> list[Any]:
    """Return the modules and classes whose functions are compared; they change only when modules are loaded."""
    modules = [builtins, math, random, time]
    modules += [sys.modules[name] for name in WATCHED if name in sys.modules]
    ours = [m for name, m in sorted(sys.modules.items()) if name.startswith(OURS) and isinstance(m, ModuleType)]
    classes = [each for module in ours for each in vars(module).values() if _is_class_of(each, module)]
    return [*modules, *ours, *classes, *(_torch_owners() if torch else ())]


def _is_class_of(each: Any, module: ModuleType) -> bool:
    return isinstance(each, type) and each.__module__ == module.__name__


def _torch_owners() -> list[Any]:
    """Return torch's modules and classes that training uses."""
    names = [*TORCHS, *(name for name in sorted(sys.modules) if name.startswith("torch.optim"))]
    modules = [sys.modules[name] for name in names if name in sys.modules]
    torch = sys.modules["torch"]
    of_nn = [each for each in vars(torch.nn).values() if isinstance(each, type)]
    optim = [module for module in modules if module.__name__.startswith("torch.optim")]
    of_optim = [each for module in optim for each in vars(module).values() if _is_class_of(each, module)]
    return [*modules, *dict.fromkeys([torch.Tensor, torch.nn.Module, *of_nn, *of_optim])]


def _changed_members(owner: Any, before: dict[str, Any]) -> Iterator[Change]:
    now = vars(owner)
    for name, old in before.items():
        new = now.get(name, _ABSENT)
        if new is not old and _counts(owner, name, old) and not _is_wrapped_by_library(new, old, owner):
            yield Change(_label(owner, name), old, new, _setter_of_member(owner, name))
    for name in [name for name in now if name not in before] if isinstance(owner, type) else ():
        inherited = next((vars(base)[name] for base in owner.__mro__[1:] if name in vars(base)), _ABSENT)
        hides = inherited is not _ABSENT and _counts(owner, name, inherited)
        if hides and not _is_wrapped_by_library(now[name], inherited, owner):
            yield Change(_label(owner, name), _ABSENT, now[name], _setter_of_member(owner, name))


def _strange_members(owner: Any) -> Iterator[Change]:
    """Yield the functions of a library's class or module that another one has written, where nobody saw those before."""
    for name, value in list(vars(owner).items()):
        code = _code(_function(value))
        if code is not None and _file_is_foreign(code.co_filename, owner):
            yield Change(_label(owner, name), "its own", value, _cannot)


def _code(function: Any) -> CodeType | None:
    """Return a function's code; None for anything else: torch's operators have an attribute of any name."""
    code = getattr(function, "__code__", None)
    return code if isinstance(code, CodeType) else None


def _cannot(_: Any) -> None:
    raise RuntimeError("torch was first loaded together with the plugin")


def _counts(owner: Any, name: str, value: Any) -> bool:
    """Return whether a member is worth comparing: functions and classes, and of classes also plain constants."""
    if name == "Storage":  # torch's name for the storage of the default dtype
        return False
    if callable(value) or isinstance(value, property | staticmethod | classmethod):
        return True
    return isinstance(owner, type) and not name.startswith("_") and isinstance(value, bool | int | float | str)


def _is_wrapped_by_library(new: Any, old: Any, owner: Any) -> bool:
    """Return whether a member is the one before in wrappers that its own library has put around it, and nothing else."""
    inmost = _unwrapped(new, owner)
    return inmost is not None and inmost is _unwrapped(old, owner)


def _unwrapped(member: Any, owner: Any) -> Any:
    """Return the function inside a library's wrappers; None where a part of it is not written in that library.

    A wrapper has the function as ``__wrapped__``, or, in torch's compiler, as the only function that it closes over.
    """
    function = _function(member)
    while True:
        code = _code(function)
        if code is None or _file_is_foreign(code.co_filename, owner):
            return None
        closed_over = list(_closed_over(function))
        inner = getattr(function, "__wrapped__", closed_over[0] if len(closed_over) == 1 else None)
        if inner is None:
            return function
        function = inner


def _closed_over(function: FunctionType) -> Iterator[FunctionType]:
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # it is empty yet
            if isinstance(cell.cell_contents, FunctionType):
                yield cell.cell_contents


def _function(member: Any) -> Any:
    return member.__func__ if isinstance(member, staticmethod | classmethod) else member


def _file_is_foreign(file: str, owner: Any) -> bool:
    """Return whether a source file lies outside of the package that a module or a class belongs to."""
    module = owner.__module__ if isinstance(owner, type) else owner.__name__
    package = sys.modules.get(module.partition(".")[0])
    folder = Path(getattr(package, "__file__", None) or "/nowhere/").parent
    return not (file.startswith("<") or folder in Path(file).parents)


def _label(owner: Any, name: str) -> str:
    if isinstance(owner, type):
        return f"{owner.__module__}.{owner.__qualname__}.{name}"
    return f"{owner.__name__}.{name}"


def _setter_of_member(owner: Any, name: str) -> Callable[[Any], object]:
    def set_member(value: Any) -> None:
        if value is _ABSENT:
            delattr(owner, name)
        else:
            setattr(owner, name, value)

    return set_member


# --- the settings of Python and numpy ------------------------------------------------------------------------


class _Filters:
    """The filters of warnings; equal where the same warnings are errors: what is shown changes no result."""

    def __init__(self) -> None:
        self.all = list(warnings.filters)
        self.errors = [each for each in self.all if each[0] == "error"]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Filters) and self.errors == other.errors

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{len(self.errors)} filters that raise"

    def set(self) -> None:
        """Have these filters in force."""
        warnings.filters[:] = self.all  # type: ignore[index]
        warnings._filters_mutated()  # type: ignore[attr-defined]


class _Same:
    """A thing or a list of things, equal where they are the very same things."""

    def __init__(self, *things: Any) -> None:
        self.things = things

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and list(map(id, self.things)) == list(map(id, other.things))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return ", ".join(_shown(thing) for thing in self.things) or "none"


def _of_attribute(owner: Any, attribute: str, name: str) -> Setting:
    """Return the setting that is a module's attribute, compared by identity."""
    return Setting(name, lambda: _Same(getattr(owner, attribute)), lambda v: setattr(owner, attribute, v.things[0]))


def _of_python() -> list[Setting]:
    settings = [
        Setting("the working directory", os.getcwd, os.chdir),
        Setting("Python's warnings as errors", _Filters, _Filters.set),
        Setting(
            "Python's recursion limit", sys.getrecursionlimit, sys.setrecursionlimit, differ=operator.gt
        ),  # lowered
        Setting("Python's garbage collection", gc.isenabled, lambda on: gc.enable() if on else gc.disable()),
        Setting("the thresholds of garbage collection", gc.get_threshold, lambda values: gc.set_threshold(*values)),
        Setting("the locale", lambda: locale.setlocale(locale.LC_ALL), lambda v: locale.setlocale(locale.LC_ALL, v)),
        Setting("Python's trace function", lambda: _Same(sys.gettrace()), lambda v: sys.settrace(v.things[0])),
        Setting("Python's profile function", lambda: _Same(sys.getprofile()), lambda v: sys.setprofile(v.things[0])),
        *(_of_attribute(sys, stream, f"sys.{stream}") for stream in ("stdout", "stderr", "stdin")),
    ]
    if hasattr(os, "sched_getaffinity"):
        set_cores = lambda cores: os.sched_setaffinity(0, cores)  # noqa: E731
        settings.append(Setting("the cores in use", lambda: os.sched_getaffinity(0), set_cores))
    return [*settings, _of_numpy(), *_of_signals(), *_of_limits()]


def _of_signals() -> Iterator[Setting]:
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGALRM", "SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGFPE"):
        if hasattr(signal, name):
            number = getattr(signal, name)
            yield Setting(f"the handler of {name}", _reader_of_signal(number), _setter_of_signal(number))
    for name in ("ITIMER_REAL", "ITIMER_VIRTUAL", "ITIMER_PROF"):
        if hasattr(signal, name):
            yield _of_timer(name, getattr(signal, name))


def _reader_of_signal(number: int) -> Callable[[], Any]:
    return lambda: _Same(signal.getsignal(number))


def _setter_of_signal(number: int) -> Callable[[Any], object]:
    return lambda handler: signal.signal(number, handler.things[0])


def _of_timer(name: str, number: int) -> Setting:
    def stop(running: bool) -> None:
        if not running:
            signal.setitimer(number, 0)

    return Setting(f"the timer {name}, running", lambda: signal.getitimer(number) != (0.0, 0.0), stop)


def _of_limits() -> Iterator[Setting]:
    try:
        import resource
    except ImportError:  # Windows
        return
    for name in ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_FSIZE", "RLIMIT_NOFILE"):
        number = getattr(resource, name)

        def set_limit(soft: int, number: int = number) -> None:
            resource.setrlimit(number, (soft, resource.getrlimit(number)[1]))

        yield Setting(f"the limit {name}", lambda number=number: resource.getrlimit(number)[0], set_limit)  # type: ignore[misc]


def _of_numpy() -> Setting:
    """Return numpy's only setting that results depend on; it cannot be read before numpy is loaded."""
    fresh = {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"}
    return Setting(
        "numpy's error state",
        lambda: sys.modules["numpy"].geterr(),
        lambda state: sys.modules["numpy"].seterr(**state),
        fresh,
    )


# --- the settings of torch -----------------------------------------------------------------------------------

_guards: list[Any] = []  # of inference modes; one that is dropped would undo itself


def _torch() -> Any:
    """Return torch where it is loaded to its end, else None."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and hasattr(torch, "compile") and hasattr(torch, "optim") else None


@cache
def _settings(torch: bool) -> list[Setting]:
    return [*_of_torch(sys.modules["torch"]), *_settings(False)] if torch else _of_python()


def _of_torch(torch: Any) -> list[Setting]:
    """Return torch's settings; what sets others along comes before them."""
    c = torch._C

    def set_inference(on: bool) -> None:
        _guards.append(c._InferenceMode(on))

    def set_determinism(value: tuple[bool, bool]) -> None:
        torch.use_deterministic_algorithms(value[0], warn_only=value[1])

    return [
        Setting("torch's default device", lambda: _default_device(torch), torch.set_default_device, None),
        Setting("torch's function modes", lambda: _function_modes(torch), lambda v: _set_function_modes(torch, v), _Same()),
        Setting("torch's dispatch modes", lambda: _dispatch_modes(c), lambda v: _set_dispatch_modes(c, v), _Same()),
        Setting("torch's inference mode", torch.is_inference_mode_enabled, set_inference, False),
        Setting("torch's gradients enabled", torch.is_grad_enabled, c._set_grad_enabled, True),
        Setting("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype, torch.float32),
        *_of_autocast(torch),
        Setting("torch's number of threads", torch.get_num_threads, torch.set_num_threads),
        Setting(
            "torch's deterministic algorithms",
            lambda: (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()),
            set_determinism,
            (False, False),
        ),
        Setting(
            "torch's anomaly detection",
            lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
            lambda value: torch.set_anomaly_enabled(*value),
            (False, True),
        ),
        Setting("torch's hooks of saved tensors", lambda: _saved_hooks(c), lambda v: _set_saved_hooks(c, v), _Same()),
        Setting("torch's threads of autograd", c._is_multithreading_enabled, c._set_multithreading_enabled, True),
        Setting("torch's flushing of denormal numbers", _flushes_denormals, torch.set_flush_denormal, False),
        *_of_precision(torch),
        *_of_backends(torch),
        *_of_hooks(torch),
    ]  # fmt: skip


def _flushes_denormals() -> bool:
    return sys.float_info.min / len("ab") == 0.0  # nothing that a compiler folds


def _default_device(torch: Any) -> str | None:
    context = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    return None if context is None else str(context.device)


def _function_modes(torch: Any) -> _Same:
    default = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    stack = [torch._C._get_function_stack_at(i) for i in range(torch._C._len_torch_function_stack())]
    return _Same(*(mode for mode in stack if mode is not default))


def _set_function_modes(torch: Any, modes: _Same) -> None:
    default = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    while torch._C._len_torch_function_stack():
        torch._C._pop_torch_function_stack()
    for mode in (*([] if default is None else [default]), *modes.things):
        torch._C._push_on_torch_function_stack(mode)


def _dispatch_modes(c: Any) -> _Same:
    return _Same(*(c._get_dispatch_stack_at(i) for i in range(c._len_torch_dispatch_stack())))


def _set_dispatch_modes(c: Any, modes: _Same) -> None:
    while count := c._len_torch_dispatch_stack():
        with suppress(Exception):  # its flags in torch go with it
            c._get_dispatch_stack_at(count - 1).__exit__(None, None, None)
        if c._len_torch_dispatch_stack() == count:
            c._pop_torch_dispatch_stack(None)
    for mode in modes.things:
        c._push_on_torch_dispatch_stack(mode)


def _saved_hooks(c: Any) -> _Same:
    top = c._autograd._top_saved_tensors_default_hooks(False)
    return _Same(*(top or ()))


def _set_saved_hooks(c: Any, hooks: _Same) -> None:
    while (top := _saved_hooks(c)).things and top != hooks:
        c._autograd._pop_saved_tensors_default_hooks()
    if _saved_hooks(c) != hooks:
        c._autograd._push_saved_tensors_default_hooks(*hooks.things)


def _of_autocast(torch: Any) -> Iterator[Setting]:
    for device in ("cpu", "cuda"):

        def get(device: str = device) -> tuple[bool, Any]:
            return torch.is_autocast_enabled(device), torch.get_autocast_dtype(device)

        def set_autocast(value: tuple[bool, Any], device: str = device) -> None:
            torch.set_autocast_enabled(device, value[0])
            torch.set_autocast_dtype(device, value[1])

        fresh = (False, torch.bfloat16 if device == "cpu" else torch.float16)
        yield Setting(f"torch's autocast on {device}", get, set_autocast, fresh)
    yield Setting("torch's cache of autocast", torch.is_autocast_cache_enabled, torch.set_autocast_cache_enabled, True)

    def nesting() -> int:
        torch.autocast_increment_nesting()
        return int(torch.autocast_decrement_nesting())

    def set_nesting(depth: int) -> None:
        while nesting() < depth:
            torch.autocast_increment_nesting()
        while nesting() > depth:
            torch.autocast_decrement_nesting()
        if not depth:  # as the end of the outermost autocast does: casts of other weights are in it
            torch.clear_autocast_cache()

    yield Setting("torch's depth of autocast", nesting, set_nesting, 0)


def _of_precision(torch: Any) -> Iterator[Setting]:
    get, set_precision = torch.get_float32_matmul_precision, torch.set_float32_matmul_precision
    yield Setting("torch's float32 matmul precision", get, set_precision, "highest")
    read, write = (getattr(torch._C, f"_{word}_fp32_precision_{word}ter", None) for word in ("get", "set"))
    for backend in ("generic", "cuda", "mkldnn") if read and write else ():
        for what in ("all", "matmul", "conv", "rnn") if backend != "generic" else ("all",):
            key = (backend, what)
            name = f"torch's precision of float32 for {what} on {backend}"
            yield Setting(name, lambda key=key: read(*key), lambda value, key=key: write(*key, value))  # type: ignore[misc]


def _of_backends(torch: Any) -> Iterator[Setting]:
    backends, c = torch.backends, torch._C
    for name in ("enabled", "benchmark", "deterministic", "allow_tf32"):
        yield _of_flag(backends.cudnn, name, f"torch.backends.cudnn.{name}")
    for name in ("allow_tf32", "allow_fp16_reduced_precision_reduction", "allow_bf16_reduced_precision_reduction"):
        yield _of_flag(backends.cuda.matmul, name, f"torch.backends.cuda.matmul.{name}")
    for name in ("flash", "mem_efficient", "math", "cudnn"):
        get, put = getattr(backends.cuda, f"{name}_sdp_enabled"), getattr(backends.cuda, f"enable_{name}_sdp")
        yield Setting(f"torch's {name} attention", get, put)
    yield Setting("torch's use of mkldnn", c._get_mkldnn_enabled, c._set_mkldnn_enabled)
    yield Setting("torch's use of nnpack", c._get_nnpack_enabled, c._set_nnpack_enabled)
    yield Setting(
        "torch's fast path of attention", backends.mha.get_fastpath_enabled, backends.mha.set_fastpath_enabled
    )
    memory = torch.utils.deterministic
    yield _of_flag(memory, "fill_uninitialized_memory", "torch.utils.deterministic.fill_uninitialized_memory")
    future = torch.__future__
    for word in ("overwrite", "swap"):
        get, put = (getattr(future, f"{verb}_{word}_module_params_on_conversion") for verb in ("get", "set"))
        yield Setting(f"torch.__future__.{word}_module_params_on_conversion", get, put)


def _of_flag(owner: Any, attribute: str, name: str) -> Setting:
    return Setting(name, lambda: getattr(owner, attribute), lambda value: setattr(owner, attribute, value))


def _of_hooks(torch: Any) -> Iterator[Setting]:
    for module in (torch.nn.modules.module, sys.modules[torch.optim.Optimizer.__module__]):
        for name in [name for name in vars(module) if name.startswith("_global_")]:
            kind = " ".join(name.removeprefix("_global_").split("_"))
            yield _of_container(
                module, name, f"torch's global {kind} of {'modules' if 'nn' in module.__name__ else 'optimizers'}"
            )


def _of_container(module: Any, attribute: str, name: str) -> Setting:
    """Return the setting that is a dictionary of hooks, or a flag beside them."""

    def get() -> Any:
        value = getattr(module, attribute)
        return _Hooks(value) if isinstance(value, dict) else value

    def put(value: Any) -> None:
        if isinstance(value, _Hooks):
            hooks = getattr(module, attribute)
            hooks.clear()
            hooks.update(zip(value.keys, value.things, strict=True))
        else:
            setattr(module, attribute, value)

    value = getattr(module, attribute)
    return Setting(name, get, put, _Hooks({}) if isinstance(value, dict) else None)


class _Hooks(_Same):
    """The hooks of a dictionary, by their numbers."""

    def __init__(self, hooks: dict[Any, Any]) -> None:
        super().__init__(*hooks.values())
        self.keys = [*hooks]


# --- for a person --------------------------------------------------------------------------------------------


def _shown(value: Any) -> str:
    """Return a value in few words."""
    if value is _ABSENT or value is None:
        return "none"
    code = _code(_function(value))
    if code is not None:
        return f"{getattr(value, '__qualname__', 'a function')} of {Path(code.co_filename).name}:{code.co_firstlineno}"
    if isinstance(value, type) or callable(value):
        return str(getattr(value, "__qualname__", type(value).__qualname__))
    try:
        text = " ".join((value if isinstance(value, str) else repr(value)).split())
    except Exception:  # a plugin's own object
        text = type(value).__name__
    return text if len(text) <= 60 else f"{text[:57]}..."
