"""The IO manager: publishes and loads manifests. Media bytes never pass through it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, TypeVar

import dagster as dg

from video_assets.artifacts import Deleted, Manifest, Superseded, current, publish
from video_assets.defs.failures import TRANSIENT_RETRIES, Rest, failure, pause_before_retry, reported
from video_assets.defs.partitions import video_id_of
from video_assets.errors import TransientError, one_line
from video_assets.systems import Systems
from video_assets.videos import Stage

T = TypeVar("T")
log = logging.getLogger(__name__)


class ManifestIOManager(dg.IOManager):
    """Output: writes manifest.json, then moves the pointer. Input: the manifest that the pointer names."""

    def __init__(self, systems: Systems) -> None:
        self.systems = systems

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Makes the artifact current. A reused one is current already."""
        if not isinstance(obj, Manifest) or obj.run_id != context.run_id:
            return

        def rest(seconds: float) -> None:
            self.systems.rest(obj.video_id, obj.run_id, obj.artefact, seconds)

        def wait_for_room() -> None:
            self.systems.wait_for_room(obj.video_id, obj.run_id, obj.artefact)

        with reported(obj.artefact, _retry_number(context), log, rest, wait_for_room):
            publish_or_withdraw(self.systems, obj)

    def load_input(self, context: dg.InputContext) -> Manifest:
        """The current manifest of the upstream asset, for this video."""
        stage = Stage(context.asset_key.path[-1])
        video_id = video_id_of(context.partition_key)

        def rest(seconds: float) -> None:
            self.systems.rest(video_id, context.step_context.run_id, stage, seconds)

        # The step is not retried for an input that cannot be loaded; loading is retried here.
        with reported(stage, None, log, rest):
            manifest = read_with_retries(lambda: current(self.systems.storage, video_id, stage), rest)
        if manifest is None:
            message = f"video {video_id} has no {stage.value} yet; materialize {stage.value} first"
            raise failure("permanent", stage, message)
        return manifest


def publish_or_withdraw(systems: Systems, manifest: Manifest) -> None:
    """Makes the artifact current. If it may not become current (the video was deleted, or a later run has published),
    removes its files and raises."""
    try:
        publish(systems.storage, manifest)
    except Deleted:
        systems.storage.delete_prefix(manifest.prefix)
        systems.search.remove(manifest.video_id, forever=True)
        raise
    except Superseded:
        systems.storage.delete_prefix(manifest.prefix)
        raise


def read_with_retries(read: Callable[[], T], rest: Rest) -> T:
    """Calls `read` and returns its result. After a TransientError it rests and tries again, as often and with the same
    pauses as a stage does. (`retrying.Policy` adds jitter, and gives up where a server asks for a long pause.)"""
    for number in range(TRANSIENT_RETRIES):
        try:
            return read()
        except TransientError as error:
            pause = pause_before_retry(number, error.retry_after)
            log.warning("%s; trying again in %g s", one_line(error), pause)
            rest(pause)
    return read()


def _retry_number(context: dg.OutputContext) -> int:
    return context.step_context.previous_attempt_count
