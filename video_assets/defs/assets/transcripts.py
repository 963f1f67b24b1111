"""transcripts: what is said, when."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from video_assets.artifacts import Artifact, Manifest
from video_assets.artifacts.captions import Captions, current_captions
from video_assets.defs.assets.uploads import SOURCE
from video_assets.defs.describe import clock, markdown, plain
from video_assets.defs.making import Events, Recipe, produce
from video_assets.defs.partitions import videos
from video_assets.defs.platform import Platform
from video_assets.media import audio, subtitles
from video_assets.media.probe import Probe
from video_assets.speech import captions as caption_files
from video_assets.speech import transcript, verify, whisper
from video_assets.speech.choose import CAPTIONS, EMBEDDED, WHISPER, choose
from video_assets.speech.transcript import Transcript
from video_assets.videos import Stage

CODE_VERSION = f"{transcript.VERSION}/{caption_files.VERSION}/{whisper.VERSION}"
JSON, VTT, TEXT = "transcript.json", "transcript.vtt", "transcript.txt"


@dg.asset(
    partitions_def=videos, group_name="words", kinds={"whisper"}, owners=["team:words"], code_version=CODE_VERSION,
    check_specs=[dg.AssetCheckSpec(name, asset=Stage.TRANSCRIPTS.value, blocking=True) for name in verify.CHECKS],
)  # fmt: skip
def transcripts(context: dg.AssetExecutionContext, uploads: Manifest, platform: dg.ResourceParam[Platform]) -> Events:
    """Segments with their times, from captions or by recognition, as JSON, WebVTT and text."""
    yield from produce(context, platform, Stage.TRANSCRIPTS, lambda video_id: recipe(platform, video_id, uploads))


def recipe(platform: Platform, video_id: int, uploads: Manifest) -> Recipe:
    """Captions are an input of their own: correcting them re-makes the words and no video byte."""
    settings, probe = platform.settings, Probe.from_facts(uploads.facts)
    captions = current_captions(platform.storage, video_id)
    how = choose(
        settings.transcriber, captions=captions is not None, embedded=subtitles.has_text_track(probe),
        whisper_model=settings.whisper_model, remote_key=False, has_audio=bool(probe.audio),
    )  # fmt: skip
    inputs = {Stage.UPLOADS.value: uploads.content_hash} | ({"captions": captions.sha256} if captions else {})
    params = {"source": how} | ({"model": settings.whisper_model} if how == WHISPER else {})

    def make(artifact: Artifact) -> None:
        source = artifact.fetch(uploads, SOURCE)
        found = _transcribe(how, artifact, probe, source, captions, settings.whisper_model)
        for name, data, content_type in (
            (JSON, transcript.to_json(found), "application/json"),
            (VTT, transcript.to_vtt(found).encode(), "text/vtt"),
            (TEXT, transcript.to_text(found).encode(), "text/plain; charset=utf-8"),
        ):
            (artifact.folder / name).write_bytes(data)
            artifact.add(artifact.folder / name, content_type)
        artifact.facts.update(
            language=found.language, source=found.source, segments=len(found.segments), opening=_opening(found),
            duration_seconds=found.duration_seconds, speech_seconds=found.speech_seconds, model_info=found.model_info,
        )  # fmt: skip
        artifact.verify(verify.transcript_checks(found, probe.duration, bool(probe.audio)))

    return Recipe(inputs, params, CODE_VERSION, make, _describe)


def _transcribe(
    how: str, artifact: Artifact, probe: Probe, source: Path, captions: Captions | None, model: str
) -> Transcript:
    if how == CAPTIONS and captions:
        data = artifact.storage.get_bytes(captions.key)
        return caption_files.read_captions(data, captions.name, probe.duration)
    if how == EMBEDDED and (track := subtitles.extract_text_track(source, probe, artifact.folder)):
        found = caption_files.read_captions(track.read_bytes(), track.name, probe.duration)
        return found.model_copy(update={"source": EMBEDDED})
    if how == WHISPER and (speech := audio.extract_speech_audio(source, probe, artifact.folder)):
        return whisper.transcribe(speech, model=model, on_progress=artifact.progress)
    return transcript.empty(probe.duration)


def _opening(found: Transcript) -> str:
    return " ".join(segment.text for segment in found.segments[:3])[:300]


def _describe(manifest: Manifest) -> Mapping[str, Any]:
    facts = manifest.facts
    return {
        "language": facts["language"] or "unknown",
        "source": facts["source"],
        "speech": f"{clock(facts['speech_seconds'])} of {clock(facts['duration_seconds'])}",
        "opening": markdown("> " + plain(facts["opening"] or "(no speech)")),
    }
