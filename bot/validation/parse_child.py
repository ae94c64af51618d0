"""A program of its own that looks for parse errors, started by ``bot.validation.syntax``.

tree-sitter's grammars are C code: measured on hostile text, several of them run out of stack or memory within a few
hundred kilobytes. So they are only ever run here, in a child with limits of its own and an empty environment, and an
end by a signal is an answer like any other.

Standard input: one JSON line, a list of ``[grammar, length in bytes]``, then the documents one after another. Standard
output: ``READY`` on a line of its own, so that a child that never worked is not taken for a text that cannot be parsed;
then one JSON line for each document, as soon as it is parsed: ``[number of errors, [[line, kind], …]]``.
"""

import contextlib
import json
import resource
import sys
from collections.abc import Iterator
from typing import Final

from tree_sitter import Node, Parser, Tree
from tree_sitter_language_pack import SupportedLanguage, get_language

READY: Final = "ready"

MAX_MEMORY_BYTES: Final = 1 << 30
MAX_CPU_SECONDS: Final = 3
"""For each document. Measured on real files: a tenth of a second for a megabyte."""
MAX_LISTED: Final = 200
"""So many errors of one document are listed; all are counted."""


def _faulty(tree: Tree) -> Iterator[Node]:
    """The ERROR and MISSING nodes, in the order of the text; branches without a fault are not entered."""
    waiting = [tree.root_node]
    while waiting:
        node = waiting.pop()
        if node.is_error or node.is_missing:
            yield node
        if node.has_error:
            waiting.extend(reversed(node.children))


def errors_in(language: SupportedLanguage, document: bytes) -> tuple[int, list[tuple[int, str]]]:
    """How many parse errors there are, and the line (from 1) and kind of the first of them."""
    tree = Parser(get_language(language)).parse(document)
    count = 0
    listed: list[tuple[int, str]] = []
    for node in _faulty(tree):
        count += 1
        if len(listed) < MAX_LISTED:
            listed.append((node.start_point.row + 1, f"missing {node.type}" if node.is_missing else "error"))
    return count, listed


def _allow_more_time() -> None:
    """Let the next document have as much processor time as each; the kernel ends this process when it is used up."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(used.ru_utime + used.ru_stime) + MAX_CPU_SECONDS
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def main() -> None:
    """Answer for every document on standard input."""
    # Not every system knows every limit; the parent's own time limit holds everywhere.
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.stdout.write(f"{READY}\n")
    sys.stdout.flush()
    for language, length in json.loads(sys.stdin.buffer.readline()):
        _allow_more_time()
        sys.stdout.write(json.dumps(errors_in(language, sys.stdin.buffer.read(length))) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
