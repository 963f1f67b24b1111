"""The metadata that the Dagster UI shows of each artifact, beside its size and cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from video_assets.artifacts import Manifest
from video_assets.defs.metadata import clock, image, markdown, megabytes, pairs, plain, table
from video_assets.media.probe import Probe
from video_assets.recipes import Making
from video_assets.recipes.variants import POSTER
from video_assets.videos import Stage


def describe(making: Making, manifest: Manifest) -> Mapping[str, Any]:
    """The metadata of an artifact, for people: tables and pictures are markdown."""
    return _DESCRIBED[manifest.artefact](making, manifest)


def _uploads(making: Making, manifest: Manifest) -> Mapping[str, Any]:
    probed = Probe.from_facts(manifest.facts)
    video, sound = probed.video, probed.sound
    facts = {
        "container": probed.container.split(",")[0],
        "length": clock(probed.duration),
        "size": megabytes(probed.size),
        "picture": f"{video.codec} {video.width}x{video.height}, {video.avg_fps:.2f} fps" if video else "none",
        "sound": f"{sound.codec}, {sound.channels} channels, {sound.rate} Hz" if sound else "none",
        "text tracks": len(probed.subtitles),
        "plays as it is": "yes" if probed.playable_progressively else "no",
    }
    return {"title": making.title, "source": markdown(pairs(facts))}


def _variants(making: Making, manifest: Manifest) -> Mapping[str, Any]:
    rows = [
        (
            rung["name"],
            f"{rung['width']}x{rung['height']}",
            megabytes(rung["bytes"]),
            f"{rung['average_bandwidth'] / 1000:.0f} kbit/s",
            "copied" if rung["copied"] else "encoded",
        )
        for rung in manifest.facts["rungs"]
    ]
    poster = next((file for file in manifest.files if file.name == POSTER), None)
    shown = image(making.systems.storage.get_bytes(poster.key), limit=64_000) if poster else None
    rungs = markdown(table(("rung", "size", "bytes", "average", "how"), rows))
    return {"rungs": rungs, **({"poster": shown} if shown else {})}


def _transcripts(making: Making, manifest: Manifest) -> Mapping[str, Any]:
    facts = manifest.facts
    return {
        "language": facts["language"] or "unknown",
        "source": facts["source"],
        "speech": f"{clock(facts['speech_seconds'])} of {clock(facts['duration_seconds'])}",
        "opening": markdown("> " + plain(facts["opening"] or "(no speech)")),
    }


def _summaries(making: Making, manifest: Manifest) -> Mapping[str, Any]:
    facts = manifest.facts
    chapters = table(("starts", "chapter"), ((clock(each["start"]), each["title"]) for each in facts["chapters"]))
    return {
        "summary": markdown(plain(facts["text"], 1200) or "(no speech)"),
        "chapters": markdown(chapters),
        "tags": ", ".join(facts["tags"]),
    }


def _search_documents(making: Making, manifest: Manifest) -> Mapping[str, Any]:
    facts = manifest.facts
    first = table(("starts", "passage"), ((clock(each["start"]), each["text"]) for each in facts["first"]))
    return {"passages": facts["passages"], "first passages": markdown(first)}


_DESCRIBED: Mapping[Stage, Callable[[Making, Manifest], Mapping[str, Any]]] = {
    Stage.UPLOADS: _uploads,
    Stage.VARIANTS: _variants,
    Stage.TRANSCRIPTS: _transcripts,
    Stage.SUMMARIES: _summaries,
    Stage.SEARCH_DOCUMENTS: _search_documents,
}
