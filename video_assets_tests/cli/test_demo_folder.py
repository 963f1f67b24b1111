"""The demo empties its own folder and nobody else's."""

from __future__ import annotations

from pathlib import Path

import pytest

from video_assets.cli.up.demo_folder import demo_settings, own_folder
from video_assets.errors import PermanentError


def test_what_an_earlier_demo_left_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with own_folder(folder):
        (folder / "old").mkdir()
        (folder / "old" / "file").touch()
    with own_folder(folder):
        assert not (folder / "old").exists()


def test_a_folder_with_anything_else_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    with pytest.raises(PermanentError, match="not the demo's"), own_folder(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_a_link_to_elsewhere_is_removed_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "precious").touch()
    with own_folder(tmp_path / "demo"):
        (tmp_path / "demo" / "link").symlink_to(tmp_path / "elsewhere")
    with own_folder(tmp_path / "demo"):
        assert (tmp_path / "elsewhere" / "precious").exists()


def test_two_demos_at_once_are_refused(tmp_path: Path) -> None:
    with (
        own_folder(tmp_path / "demo"),
        pytest.raises(PermanentError, match="another demo"),
        own_folder(tmp_path / "demo"),
    ):
        pass


def test_a_demo_never_touches_the_servers_the_environment_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VIDEO_ASSETS_HOME", str(tmp_path))
    monkeypatch.setenv("VIDEO_ASSETS_DATABASE_URL", "postgresql://production/db")
    monkeypatch.setenv("VIDEO_ASSETS_STORAGE_URL", "s3://production")
    monkeypatch.setenv("VIDEO_ASSETS_KAFKA_BOOTSTRAP_SERVERS", "production:9092")
    monkeypatch.setenv("DAGSTER_HOME", "/production")
    settings = demo_settings()
    assert settings.home == tmp_path / "demo"
    assert "production" not in f"{settings.database} {settings.storage} {settings.search} {settings.dagster_home}"
    assert settings.kafka_bootstrap_servers == ""
