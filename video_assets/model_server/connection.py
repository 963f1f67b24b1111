"""A connection to a model on an OpenAI-compatible server: its client, and our errors for its failures.

The OpenAI library takes a second to import, so this module is imported only where a call is made.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2 as httpx
import openai

from video_assets.errors import PermanentError, TransientError
from video_assets.model_server.address import Address
from video_assets.model_server.client import bounded_client
from video_assets.model_server.refusals import OwnRefusal, Wording, nothing_of_its_own, refusal, without_key


class TimedOut(TransientError):
    """The call took too long. It is not repeated at once, since that would take as long again."""


def is_worth_another_try(error: BaseException) -> bool:
    """Whether a call that failed so is worth repeating at once."""
    return isinstance(error, TransientError) and not isinstance(error, TimedOut)


class Connection:
    """A model on a server, for one use of it. Threads may share it. It connects on first use.

    Raises PermanentError on creation if there is no key, and the server is OpenAI's own.
    """

    def __init__(self, address: Address, wording: Wording, *, most_bytes: int) -> None:
        if address.lacks_its_key:
            raise PermanentError(
                f"{wording.chosen_by} needs VIDEO_ASSETS_OPENAI_API_KEY, or the VIDEO_ASSETS_OPENAI_BASE_URL of a "
                "server that asks for none"
            )
        self._address, self._wording, self._most_bytes = address, wording, most_bytes
        self._lock = threading.Lock()
        self._client: openai.OpenAI | None = None

    @contextmanager
    def speaking(self, own: OwnRefusal = nothing_of_its_own) -> Iterator[openai.OpenAI]:
        """The client for one call. Exceptions of the library become a TransientError, a PermanentError, or the error
        that `own` makes of a refusal."""
        address, server = self._address, self._wording.server.format(host=self._address.host)
        try:
            yield self._connected()
        except openai.APIStatusError as error:
            raise refusal(error, address, self._wording, own) from None
        except (openai.APITimeoutError, httpx.TimeoutException):
            raise TimedOut(f"{server} did not answer within {address.timeout:g} s") from None
        except (openai.APIConnectionError, httpx.HTTPError) as error:
            if isinstance(error.__cause__, PermanentError):
                raise error.__cause__ from None
            why = without_key(str(error.__cause__ or error), address, 120)
            raise TransientError(f"{server} cannot be reached: {why}") from None

    def _connected(self) -> openai.OpenAI:
        with self._lock:
            if self._client is None:
                self._client = bounded_client(self._address, most_bytes=self._most_bytes)
            return self._client
