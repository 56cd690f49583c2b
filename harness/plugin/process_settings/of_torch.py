"""The settings of torch that plugins share, where torch is loaded."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from harness.plugin.process_settings.changes import Same, Setting


def loaded_torch() -> Any:
    """Return torch where it is loaded to its end, else None."""
    torch = sys.modules.get("torch")
    return torch if torch is not None and hasattr(torch, "compile") and hasattr(torch, "optim") else None


_guards: list[Any] = []  # of inference modes; one that is dropped would undo itself


def torch_settings(torch: Any) -> list[Setting]:
    """Return torch's settings. A setting that changes others too comes before them."""
    c = torch._C

    def set_inference(on: bool) -> None:
        _guards.append(c._InferenceMode(on))

    def set_determinism(value: tuple[bool, bool]) -> None:
        torch.use_deterministic_algorithms(value[0], warn_only=value[1])

    return [
        Setting("torch's default device", lambda: _default_device(torch), torch.set_default_device, None),
        Setting("torch's function modes", lambda: _function_modes(torch), lambda v: _set_function_modes(torch, v), Same()),
        Setting("torch's dispatch modes", lambda: _dispatch_modes(c), lambda v: _set_dispatch_modes(c, v), Same()),
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
        Setting("torch's hooks of saved tensors", lambda: _saved_hooks(c), lambda v: _set_saved_hooks(c, v), Same()),
        Setting("torch's threads of autograd", c._is_multithreading_enabled, c._set_multithreading_enabled, True),
        Setting("torch's flushing of denormal numbers", flushes_denormals, torch.set_flush_denormal, False),
        *_of_precision(torch),
        *_of_backends(torch),
        *_of_hooks(torch),
    ]  # fmt: skip


def flushes_denormals() -> bool:
    """Return whether this thread takes numbers below the normal range as zero."""
    return sys.float_info.min / len("ab") == 0.0  # nothing that a compiler folds


def _default_device(torch: Any) -> str | None:
    context = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    return None if context is None else str(context.device)


def _function_modes(torch: Any) -> Same:
    default = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    stack = [torch._C._get_function_stack_at(i) for i in range(torch._C._len_torch_function_stack())]
    return Same(*(mode for mode in stack if mode is not default))


def _set_function_modes(torch: Any, modes: Same) -> None:
    default = getattr(torch._GLOBAL_DEVICE_CONTEXT, "device_context", None)
    while torch._C._len_torch_function_stack():
        torch._C._pop_torch_function_stack()
    for mode in (*([] if default is None else [default]), *modes.things):
        torch._C._push_on_torch_function_stack(mode)


def _dispatch_modes(c: Any) -> Same:
    return Same(*(c._get_dispatch_stack_at(i) for i in range(c._len_torch_dispatch_stack())))


def _set_dispatch_modes(c: Any, modes: Same) -> None:
    while count := c._len_torch_dispatch_stack():
        with suppress(Exception):  # its flags in torch go with it
            c._get_dispatch_stack_at(count - 1).__exit__(None, None, None)
        if c._len_torch_dispatch_stack() == count:
            c._pop_torch_dispatch_stack(None)
    for mode in modes.things:
        c._push_on_torch_dispatch_stack(mode)


def _saved_hooks(c: Any) -> Same:
    top = c._autograd._top_saved_tensors_default_hooks(False)
    return Same(*(top or ()))


def _set_saved_hooks(c: Any, hooks: Same) -> None:
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
        for operation in ("all", "matmul", "conv", "rnn") if backend != "generic" else ("all",):
            key = (backend, operation)
            name = f"torch's precision of float32 for {operation} on {backend}"
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


class _Hooks(Same):
    """The hooks of a dictionary, by their numbers."""

    def __init__(self, hooks: dict[Any, Any]) -> None:
        super().__init__(*hooks.values())
        self.keys = [*hooks]
