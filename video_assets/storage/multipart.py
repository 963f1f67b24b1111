"""The words of multipart uploads: part, address, writer, errors; and which parts make one object (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

from video_assets.errors import PermanentError

MAX_PARTS = 10_000
"""The highest number of a part, as in S3."""
_NAMED = 10
"""How many numbers an error lists."""


class PartRefused(PermanentError):
    """A part that cannot be taken: its number, size or hash is wrong, or it broke off."""


class PartsDiffer(PermanentError):
    """An upload cannot be completed: parts are missing, or are not those that were named."""

    def __init__(self, missing: Sequence[int], wrong: Sequence[int]) -> None:
        self.missing = tuple(missing)
        self.wrong = tuple(wrong)
        said = [f"{what}: {_listed(numbers)}" for what, numbers in (("missing", missing), ("wrong", wrong)) if numbers]
        super().__init__(f"parts {'; '.join(said)}; send them again, then complete")


@dataclass(frozen=True)
class Part:
    """A part that is in storage whole."""

    number: int
    """From 1."""
    bytes: int
    etag: str
    """What the backend calls these bytes, without quotes: their SHA-256 in a folder, usually their MD5 in S3."""


@dataclass(frozen=True)
class PartAddress:
    """Where one part may be sent by PUT, by anybody who knows the address."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    """Must be sent with it as they are. Content-Length is signed too, but every client sends it by itself."""


class PartWriter(Protocol):
    """Takes the bytes of one part. For one thread at a time."""

    def write(self, data: bytes) -> None:
        """Adds bytes. PartRefused where they are more than was said, NotFound where the upload has ended."""

    def finish(self) -> Part:
        """Returns once the part would survive a power cut. PartRefused where it is too short or has another hash."""


def check_part(number: int, size: int, part_bytes: int | None = None) -> None:
    """Raises PartRefused where no upload has a part of this number and size."""
    if not 1 <= number <= MAX_PARTS:
        raise PartRefused(f"there is no part {_shown(number)}; parts are numbered from 1 to {MAX_PARTS:,}")
    if size < 1 or (part_bytes is not None and size > part_bytes):
        limit = "" if part_bytes is None else f" to {part_bytes:,}"
        raise PartRefused(f"part {number} cannot have {_shown(size)} bytes; it may have 1{limit}")


def check_parts(wanted: Sequence[Part], there: Iterable[Part], count: int | None = None) -> list[Part]:
    """The wanted parts in order, where they make one object: numbered from 1 without gaps, all as large as the first
    and only the last smaller, each there with its size and etag. Else PartsDiffer names those that are missing or
    wrong. `count`: how many there must be, where that is known."""
    found = {part.number: part for part in there}
    ordered = sorted(wanted, key=lambda part: part.number)
    numbers = [part.number for part in ordered]
    last = count or max((number for number in numbers if number <= MAX_PARTS), default=1)
    missing = set(range(1, last + 1)) - (found.keys() & set(numbers))
    wrong = {n for n in numbers if not 1 <= n <= (count or MAX_PARTS)} | {n for n, m in pairwise(numbers) if n == m}
    whole = next((part.bytes for part in ordered if part.number == 1), 0)
    for part in ordered:
        misplaced = whole and (part.bytes > whole or (part.bytes < whole and part.number != last))
        if misplaced or (part.number in found and found[part.number] != part):
            wrong.add(part.number)
    if missing or wrong:
        raise PartsDiffer(sorted(missing), sorted(wrong))
    return ordered


def _listed(numbers: Sequence[int]) -> str:
    shown = ", ".join(_shown(number) for number in numbers[:_NAMED])
    return f"{shown} and {len(numbers) - _NAMED:,} more" if len(numbers) > _NAMED else shown


def _shown(number: int) -> str:
    """The number, if it is no longer than any that makes sense: Python refuses to print very long ones."""
    return str(number) if abs(number) < 10**18 else "so large a number"
