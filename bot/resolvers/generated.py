"""Files that a tool writes: why nobody merges them, and what has them made anew."""

from types import MappingProxyType
from typing import Final

from bot.resolvers.text import is_lock

_COMMANDS: Final = MappingProxyType(
    {
        "cargo.lock": "cargo update --workspace",
        "composer.lock": "composer update --lock --no-scripts",
        "gemfile.lock": "bundle lock",
        "go.sum": "go mod tidy",
        "package-lock.json": "npm install --package-lock-only --ignore-scripts",
        "pnpm-lock.yaml": "pnpm install --lockfile-only --ignore-scripts",
        "poetry.lock": "poetry lock",
        "uv.lock": "uv lock",
        "yarn.lock": "yarn install --mode update-lockfile",
    }
)
"""By a lock file's name in small letters, the command that its tool's documentation gives for writing it anew."""


def nobodys(path: str) -> str | None:
    """Why a file without a command of its own is neither for rules nor for models, and what to do; None if it is."""
    if not is_lock(path):
        return None
    name = path.rpartition("/")[2]
    shown = name if name.isascii() and name.isprintable() and not set(name) & set("`'\"[]{},:#") else "…"
    command = _COMMANDS.get(name.casefold(), "…")
    return (
        "a lock file is written by its tool and never merged: take a side and run the tool on it, or let it be made "
        f"anew here, by `resolvers: {{regenerate: [{{paths: [{shown}], command: {command}}}]}}` in `.flowforge.yml`"
    )
