"""One use of a server: who may be asked at all."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from video_assets.errors import PermanentError
from video_assets.model_server.address import Address
from video_assets.model_server.connection import Connection
from video_assets.model_server.refusals import Wording
from video_assets.speech.endpoint import Endpoint
from video_assets.speech.service import AudioService

WORDING = Wording("VIDEO_ASSETS_X=openai", "VIDEO_ASSETS_X_MODEL", "{host}", "refused {model}", "does no x")


def test_openai_is_not_asked_without_a_key() -> None:
    with pytest.raises(PermanentError, match="VIDEO_ASSETS_X=openai needs VIDEO_ASSETS_OPENAI_API_KEY, or the"):
        Connection(Address("m"), WORDING, most_bytes=1)
    with pytest.raises(PermanentError, match="VIDEO_ASSETS_TRANSCRIBER=openai needs"):
        AudioService(Endpoint())


def test_other_servers_may_ask_for_no_key() -> None:
    Connection(Address("m", "http://localhost:8000/v1"), WORDING, most_bytes=1)
    Connection(Address("m", api_key=SecretStr("key")), WORDING, most_bytes=1)
