"""What the Containerfile says of its last stage, so that an image built without an engine is no other one.

https://docs.docker.com/reference/dockerfile/
"""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runners.image.errors import ImageError

CONTAINERFILE: Final = Path(__file__).parent / "Containerfile"
_INSTRUCTION: Final = re.compile(r"(?P<name>[A-Z]+)\s+(?P<words>.+)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """The last stage's settings, and every ``ARG`` that has a value."""

    arguments: Mapping[str, str]
    labels: Mapping[str, str]
    environment: Mapping[str, str]
    user: str
    directory: str
    entrypoint: tuple[str, ...]

    @property
    def claude_version(self) -> str:
        """The pinned Claude Code."""
        return self.arguments["CLAUDE_CODE_VERSION"]

    @property
    def claude_sha256(self) -> str:
        """The checksum of Claude Code's program."""
        return self.arguments["CLAUDE_CODE_SHA256"]


def read_recipe(text: str) -> Recipe:
    """Read a Containerfile of the forms that ours uses. Raises ``ImageError`` where it lacks a setting."""
    arguments: dict[str, str] = {}
    last: dict[str, dict[str, str]] = {}
    single: dict[str, str] = {}
    for name, words in _instructions(text):
        match name:
            case "FROM":
                last, single = {"LABEL": {}, "ENV": {}}, {}
            case "ARG":
                key, equals, value = words.partition("=")
                if equals:
                    arguments[key] = value
            case "LABEL" | "ENV":
                last[name].update(_pairs(words))
            case _:
                single[name] = words
    try:
        return Recipe(
            arguments=arguments,
            labels=last["LABEL"],
            environment=last["ENV"],
            user=single["USER"],
            directory=single["WORKDIR"],
            entrypoint=tuple(json.loads(single["ENTRYPOINT"])),
        )
    except (KeyError, ValueError) as error:
        raise ImageError(f"the Containerfile's last stage lacks something: {error}") from None


def _instructions(text: str) -> Iterator[tuple[str, str]]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for joined in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        found = _INSTRUCTION.fullmatch(joined.strip())
        if found is not None:
            yield found["name"], found["words"]


def _pairs(words: str) -> dict[str, str]:
    return {key: value for key, _, value in (word.partition("=") for word in shlex.split(words))}
