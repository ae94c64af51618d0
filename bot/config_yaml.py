"""YAML text into plain data that remembers its lines. Knows nothing of what the keys mean.

The file is written by people who may push to the base branch, and read by a service that must not fall over: what
makes a parser slow or clever (anchors, aliases, tags, deep nesting, large files) is refused, not supported.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import yaml

from bot.errors import ConfigError
from bot.model.text import code_span

MAX_BYTES: Final = 64 * 1024
MAX_DEPTH: Final = 8
"""Levels of lists and mappings; the schema uses five."""

Path = tuple[str | int, ...]
"""Where a value stands: keys of mappings and indexes of lists, from the outside in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file's data, and the 1-based line of every key and item; the file itself is at the empty path."""

    data: Any
    lines: Mapping[Path, int]

    def line_of(self, path: Path) -> int:
        """The line of a path, or of the nearest thing around it that has one."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def dotted(path: Path) -> str:
    """A path as people write it: ``permissions.resolve``, ``bots[2]``; indexes count from 0."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def read_yaml(data: bytes, *, file: str) -> Document:
    """Parse one YAML document.

    Raises:
        ConfigError: it is too large, no UTF-8, no YAML, or uses what is not allowed.
    """
    if len(data) > MAX_BYTES:
        raise ConfigError(f"The file is larger than {MAX_BYTES // 1024} KiB.", path=file)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError("The file is not UTF-8 text.", path=file, line=line) from error
    node = _compose(text, file)
    lines: dict[Path, int] = {(): 1}
    return Document(data=None if node is None else _Builder(file, lines).build(node, ()), lines=lines)


class _Loader(yaml.SafeLoader):
    """The composer alone, with limits. Of all scalars only these are not text; no dates, no octal, no base 60."""

    yaml_implicit_resolvers: dict[Any, Any] = {}  # noqa: RUF012 - as the library declares it
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "anchor", None) is not None:  # of an alias, or of the value that an anchor stands on
            raise _Refused("Anchors and aliases are not allowed. Write the value out.", event.start_mark)
        if getattr(event, "tag", None) is not None:
            raise _Refused("Tags (words with `!`) are not allowed.", event.start_mark)
        if self.depth > MAX_DEPTH:
            raise _Refused(f"Nested deeper than {MAX_DEPTH} levels.", event.start_mark)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


_NULL, _BOOL, _INT, _FLOAT = (f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float"))
_SCALARS: Final = (
    (_BOOL, r"(?i:true|false|yes|no|on|off)", "tTfFyYnNoO"),
    (_INT, r"[-+]?[0-9]{1,18}", "-+0123456789"),
    (_FLOAT, r"[-+]?(?:[0-9]{1,18}\.[0-9]{0,18}|\.[0-9]{1,18})", "-+.0123456789"),
    (_NULL, r"~|null|Null|NULL|", ["~", "n", "N", ""]),
)
for _tag, _pattern, _first in _SCALARS:
    _Loader.add_implicit_resolver(_tag, re.compile(rf"(?:{_pattern})\Z"), _first)


class _Refused(yaml.MarkedYAMLError):
    """YAML that is valid but not for us."""

    def __init__(self, problem: str, mark: yaml.Mark) -> None:
        super().__init__(problem=problem, problem_mark=mark)


def _compose(text: str, file: str) -> yaml.Node | None:
    try:
        loader = _Loader(text)
        return loader.get_single_node()
    except _Refused as error:
        raise ConfigError(str(error.problem), path=file, line=_line(error.problem_mark)) from error
    except yaml.MarkedYAMLError as error:
        problem = code_span(", ".join(part for part in (error.context, error.problem) if part), limit=120)
        line = _line(error.problem_mark or error.context_mark)
        raise ConfigError(f"This is not valid YAML: {problem}.", path=file, line=line) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError("The file holds a character that YAML does not allow.", path=file, line=line) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        # PyYAML lets chr() and int() raise for some malformed escapes and directives.
        raise ConfigError("This is not valid YAML.", path=file) from error


def _line(mark: yaml.Mark | None) -> int | None:
    return None if mark is None else mark.line + 1


@dataclass(frozen=True, slots=True)
class _Builder:
    """Makes plain data of nodes and writes down their lines."""

    file: str
    lines: dict[Path, int]

    def build(self, node: yaml.Node, path: Path) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._at(item, (*path, index), item) for index, item in enumerate(node.value)]
        return _scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = _scalar(key_node) if isinstance(key_node, yaml.ScalarNode) else None
            line = _line(key_node.start_mark)
            # ``on`` and ``yes`` are booleans to YAML: whoever writes them as a key means a word.
            if not isinstance(key, str):
                raise ConfigError("A key has to be a word.", path=self.file, line=line, key=dotted(path) or None)
            if key in data:
                message = f"{code_span(key)} stands here twice."
                raise ConfigError(message, path=self.file, line=line, key=dotted((*path, key)))
            data[key] = self._at(value_node, (*path, key), key_node)
        return data

    def _at(self, node: yaml.Node, path: Path, where: yaml.Node) -> Any:
        self.lines[path] = where.start_mark.line + 1
        return self.build(node, path)


def _scalar(node: yaml.Node) -> Any:
    text: str = node.value
    if node.tag == _NULL:
        return None
    if node.tag == _BOOL:
        return text.lower() in {"true", "yes", "on"}
    if node.tag == _INT:
        return int(text)
    if node.tag == _FLOAT:
        return float(text)
    return text
