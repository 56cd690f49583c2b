"""The way to a cluster: whether there is one that answers, and a connection to it that keeps quiet."""

from __future__ import annotations

import importlib
import importlib.util
import os
import signal
import socket
import threading
from contextlib import suppress
from typing import Any

from harness import PluginError, usable_cores

REACH = 3.0  # seconds in which an address must answer
ADDRESS = "RAY_ADDRESS"  # the environment variable that goes before what "auto" would find
QUIET = {  # where the user has not said otherwise
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is reported to Ray's makers
    "RAY_BACKEND_LOG_LEVEL": "error",
}
KEY = "train.executor_options.address"


def check_installed() -> None:
    """Raise PluginError where Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        raise PluginError(
            "executor 'ray': must have the library ray, got none here; install it with "
            "python -m pip install 'optimizer-harness[ray]'"
        )


def check_reachable(address: str) -> None:
    """Raise PluginError within seconds where no cluster answers at an address; Ray itself would try for minutes."""
    named = os.environ.get(ADDRESS) or address if address == "auto" else address
    place = _found() if named == "auto" else named
    host, _, port = place.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise PluginError(f"{KEY}: must be 'auto', HOST:PORT or ray://HOST:PORT, got '{address}'")
    try:
        socket.create_connection((host.strip("[]"), int(port)), REACH).close()
    except OSError as error:
        raise PluginError(
            f"{KEY}: must be the address of a running cluster, got '{place}', which does not answer ({error.strerror or error})"
        ) from error


def connect(address: str) -> bool:
    """Connect this process to a cluster, or, for "", to a Ray that is started for it; return whether it was not before.

    Raises PluginError where Ray refuses, because the cluster has another release of Ray or Python for example.
    """
    ray: Any = importlib.import_module("ray")
    if ray.is_initialized():
        return False
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    local: dict[str, Any] = {"address": "local", "num_cpus": usable_cores(), "include_dashboard": False}
    terminate = signal.getsignal(signal.SIGTERM)
    _keep_quiet()
    try:
        ray.init(**({"address": address} if address else local), log_to_driver=False, logging_level="ERROR")
    except Exception as error:  # Ray raises many types
        raise PluginError(
            f"{KEY}: must be a cluster that Ray can connect to, got '{address or 'none'}': {_reason(error)}"
        ) from error
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, terminate)  # Ray's own would end the process without its last words
    return True


def _reason(error: BaseException) -> str:
    """Return the first line of what Ray says; where a token is wrong, it says that in what caused it alone."""
    line = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    causes, cause = [str(error)], error.__cause__ or error.__context__
    while cause is not None:
        causes.append(str(cause))
        cause = cause.__cause__ or cause.__context__
    if any("AuthToken" in text or "AuthenticationError" in text for text in causes):
        return f"{line}; set RAY_AUTH_MODE=token, and use the token of the cluster (~/.ray/auth_token)"
    return line


def _found() -> str:
    """Return the address of the cluster that was started on this machine."""
    services: Any = importlib.import_module("ray._private.services")
    with suppress(ConnectionError):
        return str(services.canonicalize_bootstrap_address("auto"))
    raise PluginError(
        f"{KEY}: must be 'auto' where a cluster runs, got no cluster on this machine; start one with 'ray start --head', or "
        "leave the address out for a Ray of this run alone"
    )


def _keep_quiet() -> None:
    """Keep what Ray's nodes say from the standard output, where the results of a command belong; Ray's logs have it."""
    worker: Any = importlib.import_module("ray._private.worker")
    worker.print_to_stdstream = lambda *_, **__: None
