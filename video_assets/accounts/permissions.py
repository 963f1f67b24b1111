"""What somebody may do. Pure: from a principal and a video's owner and visibility to yes or no.

A role gives scopes; a token has those of its scopes that its user's role still gives. So a token loses what its user
loses, at once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import Enum


class Role(str, Enum):
    """What an account is for; each has all that the one before it has."""

    VIEWER = "viewer"
    UPLOADER = "uploader"
    OPERATOR = "operator"
    ADMIN = "admin"


class Scope(str, Enum):
    """What a token may be used for."""

    READ = "read"
    """See what the user may see."""
    UPLOAD = "upload"
    """Add videos, and change or delete the user's own."""
    OPERATE = "operate"
    """See, change and delete every video; retry, cancel, make again; Dagster."""
    ADMIN = "admin"
    """Accounts, invitations, the audit trail."""


class Visibility(str, Enum):
    """Who may see a video beside its owner and operators."""

    PRIVATE = "private"
    MEMBERS = "members"
    """Everybody with an account."""
    PUBLIC = "public"


SCOPES_OF: Mapping[Role, frozenset[Scope]] = {
    Role.VIEWER: frozenset({Scope.READ}),
    Role.UPLOADER: frozenset({Scope.READ, Scope.UPLOAD}),
    Role.OPERATOR: frozenset({Scope.READ, Scope.UPLOAD, Scope.OPERATE}),
    Role.ADMIN: frozenset(Scope),
}


@dataclass(frozen=True)
class Principal:
    """Who a request comes from. Without a user: anybody, or the holder of a share link."""

    user_id: int | None = None
    role: Role | None = None
    scopes: frozenset[Scope] = frozenset()
    """What the request may do."""
    token_id: int | None = None
    is_session: bool = False
    """It came with the cookie of a browser session, so that other sites could have caused it."""
    is_api: bool = False
    """It came with an API token: a leaked one must not make others that outlive it."""
    shared_video: int | None = None
    """The one video that a share link opens."""
    shared_until: int | None = None
    """Second since 1970 at which the link ends."""

    @property
    def owner(self) -> str:
        """Whose idempotency keys, quotas and rates these are; empty for somebody who is not signed in."""
        return f"user:{self.user_id}" if self.user_id is not None else ""

    def has(self, scope: Scope) -> bool:
        """Whether the request may do this kind of thing at all."""
        return scope in self.scopes


ANYBODY = Principal()


@dataclass(frozen=True)
class Owned:
    """What decides about a video."""

    video_id: int
    user_id: int | None
    """None: nobody's, such as one that came through the inbox; then only operators may change it."""
    visibility: Visibility


@dataclass(frozen=True)
class Sight:
    """Which videos somebody sees, for lists and searches: everything, or public ones and those named here."""

    everything: bool = False
    members: bool = False
    """Videos for everybody with an account."""
    user_id: int | None = None
    """This user's own videos."""
    shared_video: int | None = None


def effective(role: Role, scopes: Collection[Scope] | None) -> frozenset[Scope]:
    """The scopes of a token of somebody with this role. `scopes` None: a session, which has all of its user's."""
    return SCOPES_OF[role] if scopes is None else SCOPES_OF[role] & frozenset(scopes)


def sight(principal: Principal) -> Sight:
    """What this principal sees."""
    own = principal.has(Scope.READ) or principal.has(Scope.UPLOAD)
    return Sight(
        everything=principal.has(Scope.OPERATE),
        members=principal.has(Scope.READ),
        # Who uploads with a token for just that must be able to see what became of it.
        user_id=principal.user_id if own else None,
        shared_video=principal.shared_video,
    )


def sees(seen: Sight, video: Owned) -> bool:
    """Whether this sight shows the video. `visibility.seen` is the same rule as SQL."""
    return (
        seen.everything
        or video.visibility is Visibility.PUBLIC
        or (seen.members and video.visibility is Visibility.MEMBERS)
        or (seen.user_id is not None and seen.user_id == video.user_id)
        or seen.shared_video == video.video_id
    )


def may_see(principal: Principal, video: Owned) -> bool:
    """Whether the video exists for this principal: if not, a request for it is answered as if there were none."""
    return sees(sight(principal), video)


def may_change(principal: Principal, video: Owned) -> bool:
    """Whether the principal may edit, share, retry, cancel or delete the video."""
    own = principal.user_id is not None and principal.user_id == video.user_id
    return principal.has(Scope.OPERATE) or (own and principal.has(Scope.UPLOAD))
