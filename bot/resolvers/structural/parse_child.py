"""A program of its own that reads syntax trees, started by ``bot.resolvers.structural.parsing``.

tree-sitter's grammars are C code that hostile text can drive out of stack or memory, so they only ever run here, with
limits and an empty environment. It imports nothing of ours: it is started by its path.

Standard input: one JSON line, a list of ``[grammar, length, start, end, kinds]``, then the documents one after another.
Standard output: ``READY`` on a line of its own, then one JSON line for each document:
``[number of errors, kind, [[kind, start, end, key start, key end], …]]``. The second value is the kind of the innermost
node that holds the bytes from ``start`` to ``end`` and is one of ``kinds``, null where there is none; then follow its
children that touch those bytes, with the place of their name (-1, -1 where they have none).
"""

import contextlib
import json
import resource
import sys
from typing import Final

from tree_sitter import Node, Parser, Tree
from tree_sitter_language_pack import get_language

READY: Final = "ready"

MAX_MEMORY_BYTES: Final = 1 << 30
MAX_CPU_SECONDS: Final = 1
"""For all documents together: what takes longer is no case for a rule."""
MAX_CHILDREN: Final = 2_000
"""Containers with more children in one place are not looked at."""

_NAMES: Final = ("key", "name")
_NAMELESS: Final = {"pair": ("bare_key", "quoted_key", "dotted_key")}
"""Kinds whose name is no field of the grammar but the first child, of one of these kinds (TOML)."""


def _errors(tree: Tree) -> int:
    count = 0
    waiting = [tree.root_node]
    while waiting:
        node = waiting.pop()
        count += node.is_error or node.is_missing
        if node.has_error:
            waiting.extend(node.children)
    return count


def _container(tree: Tree, start: int, end: int, kinds: list[str]) -> Node | None:
    found = None
    node: Node | None = tree.root_node
    while node is not None and node.start_byte <= start and end <= node.end_byte:
        if node.type in kinds:
            found = node
        # Not Node.first_child_for_byte: where there is none, it hands out a node that ends the process when looked at.
        node = next((child for child in node.children if child.end_byte > start), None)
    # The root begins at the first token: white space before it belongs to nobody.
    return found or (tree.root_node if tree.root_node.type in kinds else None)


def _name(node: Node) -> tuple[int, int]:
    for field in _NAMES:
        child = node.child_by_field_name(field)
        if child is not None:
            return child.start_byte, child.end_byte
    declarator = node.child_by_field_name("declarator")
    named = None if declarator is None else declarator.child_by_field_name("name")
    if named is not None:
        return named.start_byte, named.end_byte
    for first in node.children[:1]:
        if first.type in _NAMELESS.get(node.type, ()):
            return first.start_byte, first.end_byte
    return -1, -1


def _described(grammar: str, document: bytes, start: int, end: int, kinds: list[str]) -> str:
    tree = Parser(get_language(grammar)).parse(document)  # type: ignore[arg-type]
    container = _container(tree, start, end, kinds) if kinds else None
    children = []
    if container is not None and container.child_count <= MAX_CHILDREN:
        children = [
            [child.type, child.start_byte, child.end_byte, *_name(child)]
            for child in container.children
            if child.end_byte > start and child.start_byte < end
        ]
    return json.dumps([_errors(tree), container.type if container else None, children])


def main() -> None:
    """Answer for every document on standard input."""
    # Not every system knows every limit; the parent's own time limit holds everywhere.
    for limit, value in (
        (resource.RLIMIT_AS, MAX_MEMORY_BYTES),
        (resource.RLIMIT_CPU, MAX_CPU_SECONDS),
        (resource.RLIMIT_CORE, 0),
    ):
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(limit, (value, value))
    sys.stdout.write(f"{READY}\n")
    for grammar, length, start, end, kinds in json.loads(sys.stdin.buffer.readline()):
        sys.stdout.write(_described(grammar, sys.stdin.buffer.read(length), start, end, kinds) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
