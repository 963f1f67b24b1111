"""One site with a finished video, for tests that change neither."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from video_assets.defs.instance.opening import open_instance
from video_assets.settings import Settings
from video_assets_tests.defs.studio import Studio
from video_assets_tests.web.serving import Site, served


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A house of the module's own."""
    folder = tmp_path_factory.mktemp("web")
    settings = Settings(home=folder / "home", min_free_bytes=0, ladder="240", heartbeat_seconds=0.5)
    with open_instance(settings) as instance:
        yield Studio(settings, instance, folder)


@pytest.fixture(scope="module")
def site(studio: Studio) -> Iterator[Site]:
    """It, served. Its admin is the first user."""
    with served(studio.systems) as found:
        found.as_("admin").close()
        yield found


@pytest.fixture(scope="module")
def ready(studio: Studio, site: Site) -> int:
    """A finished video of the user `owner`."""
    site.as_("owner").close()
    video_id = studio.video(title="Herons", description="Two of them", user_id=site.ids["owner"], user_name="Owner")
    studio.run(video_id)
    assert studio.status(video_id) == ("ready", None)
    return video_id
