"""transcripts: what is said, when."""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from video_assets.artifacts import Artifact
from video_assets.language.names import code_of
from video_assets.media import audio, subtitles
from video_assets.media.probe import Probe
from video_assets.model_server.address import OPENAI_URL
from video_assets.recipes.base import Known, Making, Recipe, Wanted
from video_assets.recipes.uploads import SOURCE
from video_assets.settings import Settings
from video_assets.speech import captions as caption_files
from video_assets.speech import remote, transcript, verify, whisper
from video_assets.speech.choose import CAPTIONS, EMBEDDED, OPENAI, WHISPER, choose
from video_assets.speech.endpoint import Endpoint
from video_assets.speech.model import DEFAULT_MODEL, SpeechModel
from video_assets.speech.transcript import Heading, Transcript
from video_assets.speech.whisper import Recognition
from video_assets.videos import Stage

VERSION = f"{transcript.VERSION}/{caption_files.VERSION}/{whisper.VERSION}/{remote.VERSION}"
JSON, VTT, TEXT = "transcript.json", "transcript.vtt", "transcript.txt"


def wanted(known: Known, settings: Settings) -> Wanted:
    """Captions are an input of their own: correcting them re-makes the words and no video byte."""
    upload = known.made[Stage.UPLOADS]
    how = _how(upload.probe, known.captions_sha256 is not None, settings)
    captions = {"captions": known.captions_sha256} if known.captions_sha256 else {}
    inputs = {Stage.UPLOADS.value: upload.content_hash} | captions
    return Wanted(inputs, {"source": how} | _params(how, settings), VERSION)


def make(artifact: Artifact, making: Making) -> None:
    """Segments with their times, from captions or by recognition, as JSON, WebVTT and text."""
    uploads = making.sources[Stage.UPLOADS]
    probe = Probe.from_facts(uploads.facts)
    source = artifact.fetch(uploads, SOURCE)
    headings = tuple(Heading(**asdict(chapter)) for chapter in probe.chapters)
    found = _transcribe(artifact, making, probe, source).model_copy(update={"headings": headings or None})
    for name, data, content_type in (
        (JSON, transcript.to_json(found), "application/json"),
        (VTT, transcript.to_vtt(found).encode(), "text/vtt"),
        (TEXT, transcript.to_text(found).encode(), "text/plain; charset=utf-8"),
    ):
        (artifact.folder / name).write_bytes(data)
        artifact.add(artifact.folder / name, content_type)
    artifact.facts.update(
        language=found.language,
        source=found.source,
        segments=len(found.segments),
        opening=_opening(found),
        duration_seconds=found.duration_seconds,
        speech_seconds=found.speech_seconds,
        model_info=found.model_info,
    )
    artifact.verify(verify.transcript_checks(found, probe.duration, bool(probe.audio)))


def _how(probe: Probe, captions: bool, settings: Settings) -> str:
    """Where the words come from."""
    return choose(
        settings.transcriber,
        captions=captions,
        embedded=subtitles.has_text_track(probe),
        model_set=bool(settings.whisper_model),
        key_set=bool(settings.openai_api_key.get_secret_value()),
        has_audio=bool(probe.audio),
    )


def _params(how: str, settings: Settings) -> dict[str, Any]:
    """The settings that decide what is understood; on what machine it is, does not."""
    if how == WHISPER:
        return {
            "model": settings.whisper_model or DEFAULT_MODEL,
            "compute_type": settings.whisper_compute_type,
            "language": settings.whisper_language,
            "batch_size": settings.whisper_batch_size,
        }
    if how == OPENAI:
        where = _endpoint(settings)
        return {"model": where.model, "server": where.base_url, "language": where.language}
    return {}


def _transcribe(artifact: Artifact, making: Making, probe: Probe, source: Path) -> Transcript:
    systems, captions = making.systems, making.captions
    how = _how(probe, captions is not None, systems.settings)
    if how == CAPTIONS and captions:
        data = artifact.storage.get_bytes(captions.key)
        return caption_files.read_captions(data, captions.name, probe.duration)
    if how == EMBEDDED and (track := subtitles.extract_text_track(source, probe, artifact.folder)):
        found = caption_files.read_captions(track.read_bytes(), track.name, probe.duration, source=EMBEDDED)
        best = subtitles.best_text_track(probe)
        return found.model_copy(update={"language": found.language or (code_of(best.language) if best else None)})
    if how == WHISPER and (speech := audio.extract_speech_audio(source, probe, artifact.folder)):
        return whisper.transcribe(speech, _recognition(systems.settings), on_progress=artifact.progress)
    if how == OPENAI and (speech := audio.extract_speech_audio(source, probe, artifact.folder)):
        once = partial(systems.answers.once, artifact.video_id)
        return remote.transcribe(speech, _endpoint(systems.settings), once, on_progress=artifact.progress)
    return transcript.empty(probe.duration)


def _recognition(settings: Settings) -> Recognition:
    model = SpeechModel(
        settings.whisper_model or DEFAULT_MODEL,
        settings.whisper_device,
        settings.whisper_compute_type,
        settings.speech_threads,
    )
    return Recognition(model, settings.whisper_language, settings.whisper_batch_size)


def _endpoint(settings: Settings) -> Endpoint:
    return Endpoint(
        settings.transcription_model,
        settings.openai_base_url or OPENAI_URL,
        settings.openai_api_key,
        settings.whisper_language,
        settings.transcription_max_bytes,
    )


def _opening(found: Transcript) -> str:
    return " ".join(segment.text for segment in found.segments[:3])[:300]


RECIPE = Recipe(Stage.TRANSCRIPTS, (Stage.UPLOADS,), VERSION, verify.CHECKS, wanted, make)
