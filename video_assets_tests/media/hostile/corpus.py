"""The hostile corpus: every file, how it is made, and what must become of it.

    python -m video_assets_tests.media.hostile.corpus FOLDER

writes them all. Nothing of it is kept in the repository; the same bytes come out each time.
"""

from __future__ import annotations

import sys
from pathlib import Path

from video_assets_tests.media.clips import make_clip
from video_assets_tests.media.hostile import bombs, captions, damage, disguises, lies, mutation, stamps
from video_assets_tests.media.hostile.kit import Hostile, Kit

FAMILIES: dict[str, list[Hostile]] = {
    "disguises": disguises.FILES,
    "stamps": stamps.FILES,
    "lies": lies.FILES,
    "damage": damage.FILES,
    "bombs": bombs.FILES,
    "captions": captions.FILES,
    "mutation": mutation.FILES,
}
FILES: list[Hostile] = [file for files in FAMILIES.values() for file in files]


def kit_in(folder: Path, port: int = 9, canary: Path | None = None) -> Kit:
    """A kit with its canary in place; by itself it makes one in the folder."""
    canary = canary or folder / "canary" / "canary.mp4"
    for needed in (folder / "kit", canary.parent):
        needed.mkdir(parents=True, exist_ok=True)
    if not canary.exists():
        make_clip(canary, seconds=1, size=(160, 90), fps=10)
    return Kit(folder / "kit", canary, port)


def write(kit: Kit, file: Hostile, folder: Path) -> Path:
    """Writes the file, and its captions beside it; returns where it is."""
    path = folder / file.name
    path.write_bytes(file.make(kit))
    if file.captions is not None:
        path.with_suffix(file.captions_ending).write_bytes(file.captions(kit))
    return path


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    its_kit = kit_in(target / ".kit")
    for one in FILES:
        print(write(its_kit, one, target))
