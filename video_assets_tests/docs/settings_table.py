"""The table in docs/settings.md, generated from the settings. Run as a module, it writes the table anew, and
what docker/.env.example says of them too."""

from __future__ import annotations

import typing
from pathlib import Path
from typing import Any

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from video_assets.settings import Settings
from video_assets_tests.docs import env_example

PAGE = Path(__file__).parents[2] / "docs" / "settings.md"
BEGIN, END = "<!-- settings: begin -->\n", "<!-- settings: end -->"


def settings_table() -> str:
    """Markdown: name, default and meaning of every setting, in the order of the class."""
    rows = [
        f"| `VIDEO_ASSETS_{name.upper()}` | {_default(field.default)} | {_meaning(field)} |"
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows]) + "\n"


def with_table(page: str) -> str:
    """The page with the table as it has to be today."""
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    return before + BEGIN + settings_table() + END + after


def _default(value: Any) -> str:
    value = value.get_secret_value() if isinstance(value, SecretStr) else value
    if value is None or value == "":
        return "(empty)"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _meaning(field: FieldInfo) -> str:
    choices = typing.get_args(field.annotation) if typing.get_origin(field.annotation) is typing.Literal else ()
    words = field.description or ""
    listed = " or ".join(f"`{choice}`" for choice in choices)
    return f"{listed}. {words}" if choices else words


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    env_example.write()
