"""Which files make up a GitLab pipeline: the one that the project names, and what it includes from the repository.

They run with the project's variables as soon as a branch is pushed, whoever looks at it.

https://docs.gitlab.com/ci/yaml/includes/
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import yaml

from bot.globs import matches
from bot.model.resolutions import AuthoredChange, Finding, GateVerdict
from bot.validation import paths

ENDINGS: Final = (".yml", ".yaml")
"""GitLab includes no other files of a repository: https://docs.gitlab.com/ci/yaml/#includelocal ."""

ANY: Final = "**"
"""The pattern for a pipeline that nobody can read: every YAML file may be a part of it."""

MAX_BYTES: Final = 256 * 1024
_MAX_DEPTH: Final = 40
_TEMPLATES: Final = "/templates/**"
"""Where a project keeps components: https://docs.gitlab.com/ci/components/#directory-structure ."""


def check(change: AuthoredChange) -> Iterator[Finding]:
    """Promise: no part of the pipeline is changed, made or deleted."""
    for path in (*change.changed, *change.deleted):
        if covers(path, change.pipelines):
            message = (
                "The project's pipeline is, or may be, made of this file: it runs with the project's variables, so a "
                "person has to change it."
            )
            yield Finding(check=paths.NAME, verdict=GateVerdict.REFUSED, path=path, message=message)


def covers(path: str, patterns: Iterable[str]) -> bool:
    """Whether a file may be a part of the pipeline that ``patterns`` stand for: the first of them names its root."""
    root, *included = [*patterns] or [""]
    if path.casefold() == root.casefold():
        return True
    return path.casefold().endswith(ENDINGS) and matches(path, included) is not None


def included(data: bytes, *, project: str) -> frozenset[str]:
    """Patterns for the files of the same project, named ``project``, that a file includes; ``ANY`` if it is unreadable.

    A pattern says rather too much: where a part of a path is only known when the pipeline runs, it may be anything.
    Call it off the event loop.
    """
    if len(data) > MAX_BYTES:
        return frozenset({ANY})
    try:
        documents = list(yaml.compose_all(data.decode("utf-8-sig"), _Loader))
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError):
        return frozenset({ANY})
    return frozenset(
        pattern for value in _values_of(documents, "include") for pattern in _patterns(value, project.casefold())
    )


class _Loader(yaml.SafeLoader):
    """The composer alone; tags mean nothing, and an alias is the node that it stands for."""

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.depth > _MAX_DEPTH:
            raise yaml.YAMLError("nested too deep")
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


def _values_of(nodes: list[Any], key: str) -> Iterator[yaml.Node]:
    """What stands at a key, at whatever depth: child pipelines and anchors have includes of their own."""
    waiting, seen = list(nodes), set[int]()
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            for name, value in node.value:
                if _text(name) == key:
                    yield value
                waiting += [name, value]
        elif isinstance(node, yaml.SequenceNode):
            waiting += node.value


def _patterns(value: yaml.Node, project: str) -> Iterator[str]:
    for one in value.value if isinstance(value, yaml.SequenceNode) else [value]:
        if isinstance(one, yaml.MappingNode):
            yield from _of_mapping(dict(_named(one)), project)
        elif isinstance(one, yaml.SequenceNode):
            yield ANY
        elif (text := _text(one)) is not None and "://" not in text:
            yield _pattern(text)


def _named(node: yaml.MappingNode) -> Iterator[tuple[str, yaml.Node]]:
    for name, value in node.value:
        text = _text(name)
        if text is not None:
            yield text, value


def _of_mapping(entry: dict[str, yaml.Node], project: str) -> Iterator[str]:
    if "<<" in entry:
        yield ANY
    if "local" in entry:
        yield from _pattern_of_each(entry["local"])
    if "file" in entry:
        other = (_text(entry.get("project")) or "").casefold()
        if "$" in other or other.strip("/") == project:
            yield from _pattern_of_each(entry["file"])
    component = (_text(entry.get("component")) or "").casefold()
    if "$ci_project" in component.replace("{", "") or f"/{project}/" in component:
        yield _TEMPLATES


def _pattern_of_each(value: yaml.Node) -> Iterator[str]:
    for one in value.value if isinstance(value, yaml.SequenceNode) else [value]:
        text = _text(one)
        yield ANY if text is None else _pattern(text)


def _pattern(path: str) -> str:
    """A path as GitLab takes it, as a pattern of ours: what we cannot follow to the letter stands for all below."""
    names = path.strip().lstrip("/").split("/")
    kept = []
    for name in names:
        if re.search(r"[$\[\]{}\\]|\*\*|^\.{0,2}$", name):
            kept.append("**")
            break
        kept.append(name)
    return "/" + "/".join(kept)


def _text(node: yaml.Node | None) -> str | None:
    return str(node.value) if isinstance(node, yaml.ScalarNode) else None
