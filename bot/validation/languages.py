"""Which grammar reads a file, by its name. Only grammars that tell broken text from whole are listed."""

from collections.abc import Mapping
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Final

_BY_SUFFIX: Final[Mapping[str, str]] = MappingProxyType(
    {
        ".bash": "bash",
        ".c": "c",
        ".cc": "cpp",
        ".cjs": "javascript",
        ".cpp": "cpp",
        ".cs": "csharp",
        ".css": "css",
        ".cts": "typescript",
        ".cxx": "cpp",
        ".ex": "elixir",
        ".exs": "elixir",
        ".go": "go",
        ".h": "cpp",
        ".hcl": "hcl",
        ".hh": "cpp",
        ".hpp": "cpp",
        ".htm": "html",
        ".html": "html",
        ".hxx": "cpp",
        ".java": "java",
        ".js": "javascript",
        ".json": "json",
        ".jsx": "javascript",
        ".kt": "kotlin",
        ".kts": "kotlin",
        ".lua": "lua",
        ".mjs": "javascript",
        ".mts": "typescript",
        ".php": "php",
        ".py": "python",
        ".pyi": "python",
        ".rb": "ruby",
        ".rs": "rust",
        ".scala": "scala",
        ".sh": "bash",
        ".swift": "swift",
        ".tf": "hcl",
        ".toml": "toml",
        ".ts": "typescript",
        ".tsx": "tsx",
        ".xml": "xml",
        ".yaml": "yaml",
        ".yml": "yaml",
    },
)

_BY_NAME: Final[Mapping[str, str]] = MappingProxyType(
    {
        "dockerfile": "dockerfile",
        "containerfile": "dockerfile",
        "cargo.lock": "toml",
        "poetry.lock": "toml",
        "uv.lock": "toml",
        "pipfile": "toml",
        "composer.lock": "json",
        "gemfile": "ruby",
        "rakefile": "ruby",
    },
)


def language_of(path: str) -> str | None:
    """The name of the grammar for a repository path, None when there is none we trust."""
    name = PurePosixPath(path).name.lower()
    return _BY_NAME.get(name) or _BY_SUFFIX.get(PurePosixPath(name).suffix)
