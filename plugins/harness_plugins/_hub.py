"""Pretrained weights from the hub that timm's models name, with an answer within seconds where it cannot be reached.

The client itself retries for most of a minute; so it is asked only what is in its cache already, or after a
connection to the hub has been made.
"""

from __future__ import annotations

import socket
from pathlib import Path
from queue import Empty, Queue
from threading import Thread
from urllib.parse import urlsplit

from harness import DataError

PATIENCE = 4.0  # seconds to wait for a connection
SCRATCH = ', or train without weights: train.regime = "scratch" with train.backbones = ["lesson_cnn"]'
FILES = ("model.safetensors", "pytorch_model.bin")


def from_hub(name: str, repository: str | None, filename: str | None) -> Path:
    """Return the downloaded weights; raises DataError where there are none or the hub cannot be reached."""
    help_ = (
        f"put a file {name}*.safetensors into a folder and name it with HARNESS_WEIGHTS or train.pretrained{SCRATCH}"
    )
    if not repository:
        raise DataError(f"must be a model with published weights, got '{name}', which has none; {help_}")
    import huggingface_hub as hub

    files = (filename,) if filename else FILES
    for file in files:
        cached = hub.try_to_load_from_cache(repository, file)
        if isinstance(cached, str):
            return Path(cached)
    reason = (
        "it is switched off (HF_HUB_OFFLINE)" if hub.constants.HF_HUB_OFFLINE else _unreachable(hub.constants.ENDPOINT)
    )
    if reason:
        raise DataError(f"must get the weights of '{name}' from its hub, got no connection: {reason}; {help_}")
    for file in files:
        try:
            return Path(hub.hf_hub_download(repository, file))
        except hub.errors.EntryNotFoundError:
            continue
        except Exception as error:  # the client's own errors are many, and change
            text = " ".join(str(error).split())
            raise DataError(f"must get the weights of '{name}' from its hub, got {text:.200}; {help_}") from error
    raise DataError(f"must be a model with published weights, got '{name}', whose repository has none; {help_}")


def _unreachable(endpoint: str) -> str:
    """Return why the hub cannot be reached; empty where it can.

    Resolving a name may hang longer than any time-out, so it is done in a thread that nobody waits for.
    """
    parts = urlsplit(endpoint)
    address = (parts.hostname or "", parts.port or (80 if parts.scheme == "http" else 443))
    answer: Queue[str] = Queue()

    def connect() -> None:
        try:
            socket.create_connection(address, PATIENCE).close()
            answer.put("")
        except OSError as error:
            answer.put(str(error))

    Thread(target=connect, daemon=True).start()
    try:
        return answer.get(timeout=PATIENCE)
    except Empty:
        return f"no answer within {PATIENCE:.0f} s"
