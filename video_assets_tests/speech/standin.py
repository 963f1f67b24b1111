"""A transcription service that costs nothing: an OpenAI-compatible endpoint over real HTTP, which really listens with
the tiny model, and is as good or as bad as a test wants. An answer is billed once it was delivered whole."""

from __future__ import annotations

import io
import json
import threading
import time
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.parser import BytesParser
from email.policy import HTTP
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from faster_whisper import BatchedInferencePipeline

from video_assets.speech import whisper
from video_assets.speech.model import load
from video_assets.speech.whisper import Recognition


@dataclass
class Call:
    """One request, as the server saw it."""

    number: int
    path: str
    key: str
    fields: dict[str, Any]
    wav: bytes
    billed: bool = False

    @property
    def seconds(self) -> float:
        with wave.open(io.BytesIO(self.wav)) as sound:
            return float(sound.getnframes() / sound.getframerate())

    @property
    def digest(self) -> str:
        """What is asked: the same question has the same."""
        return sha256(self.wav + json.dumps(self.fields, sort_keys=True).encode()).hexdigest()


@dataclass
class Reaction:
    """What the server does with a call, instead of answering as it should."""

    status: int = 200
    body: bytes | None = None
    """None: what was really heard."""
    headers: dict[str, str] = field(default_factory=dict)
    wait: float = 0.0
    cut: float = 1.0
    """Share of the body that is sent before the connection is closed."""
    changed: Callable[[dict[str, Any]], dict[str, Any]] = lambda answer: answer


def error(status: int, message: str, *, code: str | None = None, **headers: str) -> Reaction:
    """An error as OpenAI sends it."""
    body = {"error": {"message": message, "type": "x", "code": code}}
    return Reaction(status, json.dumps(body).encode(), {name.replace("_", "-"): text for name, text in headers.items()})


class StandIn:
    """The service. `react` decides on each call."""

    def __init__(self, how: Recognition) -> None:
        self.calls: list[Call] = []
        self.react: Callable[[Call], Reaction] = lambda call: Reaction()
        self._how, self._lock = how, threading.Lock()
        self.url = ""

    @property
    def billed_over_unique(self) -> float:
        billed = [call for call in self.calls if call.billed]
        return len(billed) / len({call.digest for call in billed})

    def hear(self, wav: bytes, fields: dict[str, Any]) -> dict[str, Any]:
        with wave.open(io.BytesIO(wav)) as sound:
            assert (sound.getframerate(), sound.getnchannels(), sound.getsampwidth()) == (16_000, 1, 2)
            samples = np.frombuffer(sound.readframes(sound.getnframes()), dtype="<i2").astype(np.float32) / 32768.0
        with self._lock:
            raw, _ = BatchedInferencePipeline(load(self._how.model)).transcribe(
                samples, language="en", batch_size=2, **whisper.batch_options()
            )
            found = list(raw)
        text = "".join(each.text for each in found).strip()
        if fields["response_format"] == "json":
            return {"text": text}
        return {
            "task": "transcribe",
            "language": "english",
            "duration": len(samples) / 16_000,
            "text": text,
            "segments": [
                {
                    "id": number,
                    "start": float(each.start),
                    "end": float(each.end),
                    "text": each.text,
                    "avg_logprob": float(each.avg_logprob),
                    "no_speech_prob": float(each.no_speech_prob),
                }
                for number, each in enumerate(found)
            ],
            "words": [
                {"word": word.word.strip(), "start": float(word.start), "end": float(word.end)}
                for each in found
                for word in each.words
            ],
        }


@contextmanager
def serving(how: Recognition) -> Iterator[StandIn]:
    """The service on a port of its own, until the block is left."""
    standin = StandIn(how)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
            fields: dict[str, Any] = {}
            wav = b""
            for part in BytesParser(policy=HTTP).parsebytes(head + data).iter_parts():
                name, content = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
                assert isinstance(name, str)
                assert isinstance(content, bytes)
                if name == "file":
                    wav = content
                elif name.endswith("[]"):
                    fields.setdefault(name, []).append(content.decode())
                else:
                    fields[name] = content.decode()
            with standin._lock:
                call = Call(len(standin.calls), self.path, self.headers.get("Authorization", ""), fields, wav)
                standin.calls.append(call)
            reaction = standin.react(call)
            time.sleep(reaction.wait)
            body = reaction.body
            if body is None:
                body = json.dumps(reaction.changed(standin.hear(wav, fields))).encode()
            sent = body[: int(len(body) * reaction.cut)]
            try:
                self.send_response(reaction.status)
                for name, text in {"Content-Type": "application/json", **reaction.headers}.items():
                    self.send_header(name, text)
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)
                call.billed = reaction.status == 200 and reaction.cut == 1.0
            except OSError:
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    standin.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    try:
        yield standin
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
