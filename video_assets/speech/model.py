"""The speech model: found on this machine or downloaded, and loaded once for each process."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from video_assets.errors import PermanentError, one_line
from video_assets.speech import memory

if TYPE_CHECKING:
    from faster_whisper import WhisperModel

DEFAULT_MODEL = "small"
"""Used if no model is set: 480 MB, a hundred languages, as fast as speech on four cores."""
FIRST_BYTE_SECONDS = 20.0
STALL_SECONDS = 60.0
"""A download is given up if no byte arrives for `FIRST_BYTE_SECONDS` at its start, for `STALL_SECONDS` later."""
ADVICE = (
    "set VIDEO_ASSETS_WHISPER_MODEL to a faster-whisper model's folder, give the video captions (.vtt or .srt), "
    "or set VIDEO_ASSETS_OPENAI_API_KEY"
)

Device = Literal["auto", "cpu", "cuda"]

_log = logging.getLogger(__name__)
_loading = threading.Lock()


@dataclass(frozen=True)
class SpeechModel:
    """Which model, and the device it runs on."""

    name: str = DEFAULT_MODEL
    """Folder of a faster-whisper model, or a model's name (taken from the hub's cache, else downloaded)."""
    device: Device = "auto"
    compute_type: str = "default"
    """A compute type of CTranslate2. `default`: that of the saved weights, or the nearest the device supports."""
    threads: int = 1
    """Threads on a CPU."""


def load(model: SpeechModel) -> WhisperModel:
    """The recogniser, loaded once for each process. If that fails, PermanentError says why and what to do."""
    with _loading:
        return _loaded(model)


def local_folder(name: str) -> str | None:
    """The folder of the complete model on this machine; None if it is not there. Does not use the network."""
    if _looks_like_path(name):
        folder = Path(name).expanduser()
        return str(folder) if _is_whole(folder) else None
    from faster_whisper import download_model

    try:
        folder = Path(download_model(name, local_files_only=True))
    except Exception:  # the hub's client raises many types if a model is not in the cache
        return None
    return str(folder) if _is_whole(folder) else None


@lru_cache(maxsize=1)
def _loaded(model: SpeechModel) -> WhisperModel:
    # Imported here: it takes seconds, and only this stage needs it.
    from faster_whisper import WhisperModel

    shown = one_line(model.name, 200)
    folder = local_folder(model.name)
    if folder is None and _looks_like_path(model.name):
        raise PermanentError(f"no speech model (model.bin, tokenizer.json) in {shown}: {ADVICE}")
    folder = folder or _fetched(model.name)
    memory.map_large_blocks()
    try:
        return WhisperModel(folder, device=model.device, compute_type=model.compute_type, cpu_threads=model.threads)
    except Exception as error:
        raise PermanentError(
            f"speech model {shown} cannot be loaded ({one_line(error, 200)}): "
            "see VIDEO_ASSETS_WHISPER_MODEL, _DEVICE and _COMPUTE_TYPE"
        ) from error


def _fetched(name: str) -> str:
    """Downloads the model with the hub's client and returns its folder. Raises PermanentError if no bytes arrive."""
    from faster_whisper import available_models, download_model
    from huggingface_hub.constants import HF_HUB_CACHE

    if "/" not in name and name not in available_models():
        raise PermanentError(f"there is no speech model {one_line(name, 100)}: {ADVICE}")
    _log.info("fetching speech model %s", name)
    cache = Path(HF_HUB_CACHE)
    try:
        return str(
            with_stall_limit(
                lambda: download_model(name), lambda: _bytes_below(cache, name), FIRST_BYTE_SECONDS, STALL_SECONDS
            )
        )
    except Exception as error:
        why = one_line(error, 160)
        raise PermanentError(
            f"speech model {name} is not on this machine and not to be had ({why}): {ADVICE}"
        ) from error


def with_stall_limit(fetch: Callable[[], object], arrived: Callable[[], int], first: float, stall: float) -> object:
    """Runs `fetch` in a thread, and returns or raises what it does.

    Raises TimeoutError if `arrived` (bytes so far) does not change for `first` seconds at the start, or for `stall`
    seconds later. The thread then goes on: the hub's client waits for ever for a server that accepts a connection and
    sends nothing, and cannot be interrupted.
    """
    outcome: list[object] = []
    failed: list[Exception] = []

    def work() -> None:
        try:
            outcome.append(fetch())
        except Exception as error:
            failed.append(error)

    worker = threading.Thread(target=work, name="model-fetch", daemon=True)
    seen, moved, patience = arrived(), time.monotonic(), first
    worker.start()
    while worker.is_alive():
        worker.join(0.2)
        now = arrived()
        if now != seen:
            seen, moved, patience = now, time.monotonic(), stall
        if worker.is_alive() and time.monotonic() - moved > patience:
            raise TimeoutError(f"no answer from the hub for {patience:.0f} s")
    if failed:
        raise failed[0]
    return outcome[0]


def _bytes_below(cache: Path, name: str) -> int:
    """Bytes of this model in the hub's cache, finished or not; of the whole cache if the name does not give the model's
    folder."""
    folder = cache / f"models--{name.replace('/', '--')}" if "/" in name else cache
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size
        except OSError:  # renamed to its final name meanwhile
            continue
    return total


def _is_whole(folder: Path) -> bool:
    # Without tokenizer.json, the library would download one.
    return (folder / "model.bin").is_file() and (folder / "tokenizer.json").is_file()


def _looks_like_path(name: str) -> bool:
    return name.startswith((".", "/", "~")) or name.count("/") > 1 or "\\" in name or Path(name).is_dir()
