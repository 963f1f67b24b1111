"""compose.yaml, its variables and .env.example, read as Compose reads them: as far as this project uses it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parents[2] / "docker"
_VARIABLE = re.compile(r"\$\{([A-Z][A-Z0-9_]*)(?:(:?[-?])((?:[^{}]|\{[^{}]*\})*))?\}")


def read(name: str) -> dict[str, Any]:
    """A YAML file of docker/, its anchors resolved and its variables not."""
    found: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text(encoding="utf-8"))
    return found


def values(text: str) -> dict[str, str]:
    """NAME=VALUE lines, those of comments too: what can be set."""
    return dict(re.findall(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", text, re.MULTILINE))


def words(value: object) -> Iterator[str]:
    """Every string in a YAML value."""
    if isinstance(value, Mapping):
        for each in value.values():
            yield from words(each)
    elif isinstance(value, list):
        for each in value:
            yield from words(each)
    elif isinstance(value, str):
        yield value


def variables(value: object) -> set[str]:
    """The names of all variables within, those in defaults too."""
    return {name for word in words(value) for name in re.findall(r"(?<!\$)\$\{?([A-Z][A-Z0-9_]*)", word)}


def resolved(value: Any, given: Mapping[str, str]) -> Any:
    """The value with its variables filled in. A KeyError where one that must be given is not."""
    if isinstance(value, dict):
        return {key: resolved(each, given) for key, each in value.items()}
    if isinstance(value, list):
        return [resolved(each, given) for each in value]
    if not isinstance(value, str):
        return value

    def fill(match: re.Match[str]) -> str:
        name, how, other = match.groups()
        found = given.get(name)
        if found is None or (not found and how and how.startswith(":")):
            if how and how.endswith("?"):
                raise KeyError(f"{name}: {other}")
            return str(resolved(other, given)) if how else ""
        return found

    return _VARIABLE.sub(fill, value).replace("$$", "$")
