"""The storage of a test: a folder or a bucket, as its parameter `backend` says."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from video_assets.storage import Storage, open_storage
from video_assets.storage.s3_client import S3Options, make_client


@pytest.fixture
def opened(backend: str, request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Storage]:
    """Opens the one storage of this test; in another process too."""
    if backend == "local":
        return partial(open_storage, (tmp_path / "storage").as_uri())
    endpoint: str = request.getfixturevalue("s3_endpoint")
    url: str = request.getfixturevalue("s3_url")
    return partial(open_storage, url, partial(make_client, S3Options(endpoint_url=endpoint, region="us-east-1")))


@pytest.fixture
def storage(opened: Callable[[], Storage]) -> Storage:
    return opened()
