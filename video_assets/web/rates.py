"""Limits on how often something may be tried."""

from __future__ import annotations

import logging
from ipaddress import ip_address, ip_network

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage, storage_from_string
from limits.strategies import MovingWindowRateLimiter

from video_assets.web.problems import Problem

LOGIN = parse("10/minute")
"""Tries for one account from one address."""
LOGIN_ACCOUNT = parse("100/minute")
LOGIN_ADDRESS = parse("50/minute")
SIGNUP = parse("20/hour")
CHECK = parse("20/minute")
log = logging.getLogger("video_assets.web")


def network_of(address: str) -> str:
    """The address, of IPv6 the network of one customer: he has more addresses than we could count."""
    try:
        found = ip_address(address)
    except ValueError:
        return address
    return str(ip_network((found, 64), strict=False)) if found.version == 6 else str(found)


class Rates:
    """Counts in Redis where several processes count together, else in memory. While Redis is away each counts for
    itself: to let nobody in, or everybody try as often as he likes, would be worse."""

    def __init__(self, url: str) -> None:
        self._own = MovingWindowRateLimiter(MemoryStorage())
        self._shared = MovingWindowRateLimiter(storage_from_string(url)) if url else None

    def hit(self, limit: RateLimitItem, *whose: str, cost: int = 1) -> None:
        """Counts one try. Problem 429 where there were too many."""
        if not self._allowed(limit, whose, cost):
            seconds = limit.get_expiry()
            raise Problem(429, "too many tries; wait a while", headers={"Retry-After": str(seconds)})

    def _allowed(self, limit: RateLimitItem, whose: tuple[str, ...], cost: int) -> bool:
        if self._shared is not None:
            try:
                return self._shared.hit(limit, *whose, cost=cost)
            except Exception as error:  # whichever client library it is, it is Redis that is away
                log.warning("rates are counted in memory: %s", error)
        return self._own.hit(limit, *whose, cost=cost)
