"""Rebuilds the search index from the documents in storage."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select

from video_assets.artifacts.audit import whole
from video_assets.artifacts.pointer import deleted_at
from video_assets.database.models import AccessRow
from video_assets.errors import PermanentError, TransientError, one_line
from video_assets.library.rebuild import Rebuilt, stored_ids
from video_assets.library.survey import look_at
from video_assets.recipes.search_documents import DOCUMENTS
from video_assets.recipes.search_documents import JSON as DOCUMENT
from video_assets.search import Access, Document
from video_assets.systems import Systems
from video_assets.videos import Stage


def rebuild_index(systems: Systems) -> Rebuilt:
    """Rebuilds the search index from the documents in storage, and who may see them from the tables. Searches work
    meanwhile. A video whose document cannot
    be read keeps its old entry."""
    found = Rebuilt()
    unreadable: dict[int, str] = {}
    stored = {video_id: deleted_at(systems.storage, video_id) for video_id in stored_ids(systems.storage)}

    def documents() -> Iterator[tuple[Document, str]]:
        for video_id, deleted in stored.items():
            if deleted is not None:
                continue
            try:
                document = _document(systems, video_id, found)
            except TransientError:
                raise
            except Exception as error:  # whatever is wrong with this document, the other videos go on
                unreadable[video_id] = one_line(error, 200) or type(error).__name__
            else:
                if document is not None:
                    yield document

    removed = [video_id for video_id, deleted in stored.items() if deleted is not None]
    found.videos = systems.search.rebuild(
        documents(), removed=removed, kept=unreadable, access=noted_access(systems).items()
    )
    for video_id, why in unreadable.items():
        held = systems.search.read(video_id) is not None
        stands = "it is found as it was before" if held else "it cannot be found"
        line = f"video {video_id}: {why}; {stands}, `video-assets process --video {video_id}` makes it again"
        found.trouble.append(one_line(line))
    return found


def noted_access(systems: Systems) -> dict[int, Access]:
    """Who may see each video of which the tables say so."""
    with systems.database.read() as session:
        rows = session.execute(select(AccessRow.video_id, AccessRow.visibility, AccessRow.version)).all()
    return {video_id: Access(visibility, version) for video_id, visibility, version in rows}


def _document(systems: Systems, video_id: int, found: Rebuilt) -> tuple[Document, str] | None:
    """A video's document and its version; None where it has none. PermanentError where it is damaged."""
    seen = look_at(systems.storage, video_id, Stage.SEARCH_DOCUMENTS)
    found.mended += seen.mended
    if seen.trouble:
        raise PermanentError(seen.trouble[0].removeprefix(f"video {video_id}, "))
    made = seen.made.get(Stage.SEARCH_DOCUMENTS)
    if made is None:
        return None
    manifest = made[0]
    document = DOCUMENTS.validate_json(whole(systems.storage, manifest.file(DOCUMENT)))
    if document.video_id != video_id:
        raise PermanentError(f"{DOCUMENT} is another video's")
    return document, str(manifest.facts["index_version"])
