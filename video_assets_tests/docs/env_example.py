"""The settings in docker/.env.example, generated like the table in docs/settings.md, and together with it."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from video_assets.settings import Settings

EXAMPLE = Path(__file__).parents[2] / "docker" / ".env.example"
BEGIN = "# 3. Every setting of video-assets, with its default."
EXPLAINED = """
# A line without its # sets it. compose.yaml knows where its own servers are: a URL here takes another one instead.
"""
OF_THE_IMAGE = ("home", "db_sync")
"""Set by the image, where they are as they have to be."""


def with_settings(example: str) -> str:
    """The example as it has to be today."""
    return example.partition(BEGIN)[0] + BEGIN + EXPLAINED + "\n".join(_lines()) + "\n"


def _lines() -> list[str]:
    lines = []
    for name, field in Settings.model_fields.items():
        if name in OF_THE_IMAGE:
            continue
        default = field.default.get_secret_value() if isinstance(field.default, SecretStr) else field.default
        lines += [f"# {field.description}", f"#VIDEO_ASSETS_{name.upper()}={'' if default is None else default}"]
    return lines


def write() -> None:
    """Writes the file anew."""
    EXAMPLE.write_text(with_settings(EXAMPLE.read_text(encoding="utf-8")), encoding="utf-8")
