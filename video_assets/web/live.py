"""What changes, told to whoever watches: one look at the tables a second for all clients of this process.

An event holds the whole state of a video. A client that missed some has missed nothing once it has the newest.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import anyio.to_thread

from video_assets.accounts.permissions import Owned, Sight, Visibility, sees
from video_assets.library import listing
from video_assets.library.listing import Card
from video_assets.systems import Systems
from video_assets.web.problems import Problem

LOOK_SECONDS = 1.0
AT_ONCE = 500
"""Videos that one query asks for."""
STREAMS = 2_000
"""Of one process. Whoever is too many gets 503, and asks again."""
log = logging.getLogger("video_assets.web")


@dataclass(eq=False)
class Watcher:
    """A client, and the videos that it watches."""

    video_ids: frozenset[int]
    sight: Sight
    news: asyncio.Event = field(default_factory=asyncio.Event)


class Hub:
    """Looks at the videos that are watched, while any is."""

    def __init__(self, systems: Systems) -> None:
        self._systems = systems
        self._watchers: set[Watcher] = set()
        self._cards: dict[int, Card] = {}
        self._states: dict[int, str] = {}
        """A hash of each card, made in the thread that reads it."""
        self._wanted = asyncio.Event()
        self._closing = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Looks, for the life of the app."""
        self._wanted = asyncio.Event()
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            self.close()
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def close(self) -> None:
        """Ends every stream: the process stops."""
        self._closing = True
        for watcher in self._watchers:
            watcher.news.set()

    async def begin(self, watcher: Watcher) -> None:
        """Looks at its videos, before the answer begins. TransientError where the tables are away; Problem 503 where
        too many streams are open."""
        if len(self._watchers) >= STREAMS:
            raise Problem(503, "too many streams are open; try again", headers={"Retry-After": "10"})
        await self._look([watcher])

    async def changes(self, watcher: Watcher, known: str | None) -> AsyncGenerator[tuple[str, list[Card]], None]:
        """(id, videos that changed) again and again; first all of them, unless `known` is the id of just this state. A
        video that is gone, or that he may see no more, is left out from then on."""
        self._watchers.add(watcher)
        self._wanted.set()
        told: dict[int, Card] = {}
        try:
            first = True
            while not self._closing:
                watcher.news.clear()
                now = {video_id: self._cards[video_id] for video_id in watcher.video_ids if video_id in self._cards}
                now = {video_id: card for video_id, card in now.items() if _sees(watcher, card)}
                changed = [card for video_id, card in sorted(now.items()) if told.get(video_id) != card]
                state = self._state_of(now)
                if changed and not (first and state == known):
                    yield state, changed
                told, first = now, False
                await watcher.news.wait()
        finally:
            self._watchers.discard(watcher)

    async def _run(self) -> None:
        while True:
            await self._wanted.wait()
            await asyncio.sleep(LOOK_SECONDS)
            if not self._watchers:
                self._wanted.clear()
                self._cards.clear()
                self._states.clear()
                continue
            self._forget()
            try:
                await self._look(self._watchers)
            except Exception as error:  # the tables are away: the streams stay open, and go on when they are back
                log.warning("nothing new can be told: %s", error)

    def _forget(self) -> None:
        """Drops the videos that nobody watches any more: somebody always watches something on a busy site."""
        watched = {video_id for watcher in self._watchers for video_id in watcher.video_ids}
        for video_id in self._cards.keys() - watched:
            del self._cards[video_id]
        for video_id in self._states.keys() - watched:
            del self._states[video_id]

    async def _look(self, watchers: Iterable[Watcher]) -> None:
        watched = sorted({video_id for watcher in watchers for video_id in watcher.video_ids})
        found, states = await anyio.to_thread.run_sync(self._read, watched)
        changed = {card.id for card in found if self._cards.get(card.id) != card}
        changed |= set(watched) - {card.id for card in found}
        for video_id in watched:
            self._cards.pop(video_id, None)
        self._cards.update((card.id, card) for card in found)
        self._states.update(states)
        for watcher in self._watchers:
            if changed & watcher.video_ids:
                watcher.news.set()

    def _read(self, video_ids: list[int]) -> tuple[list[Card], dict[int, str]]:
        default, found = Visibility(self._systems.settings.default_visibility), []
        with self._systems.database.read() as session:
            for first in range(0, len(video_ids), AT_ONCE):
                found += listing.cards(session, video_ids[first : first + AT_ONCE], Sight(everything=True), default)
        return found, {card.id: hashlib.sha256(repr(card).encode()).hexdigest()[:16] for card in found}

    def _state_of(self, cards: Iterable[int]) -> str:
        said = ",".join(f"{video_id}:{self._states.get(video_id)}" for video_id in sorted(cards))
        return hashlib.sha256(said.encode()).hexdigest()[:16]


def _sees(watcher: Watcher, card: Card) -> bool:
    return sees(watcher.sight, Owned(card.id, card.user_id, card.visibility))
