"""The check that an answer does not break the syntax of its file."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from bot.merge.markers import splice
from bot.model.conflicts import MarkedFile
from bot.resolvers.structural.parsing import Document, parse
from bot.resolvers.structural.proposals import Proposal
from bot.validation.languages import language_of

_OPENINGS: Final[Mapping[str, bytes]] = MappingProxyType({"php": b"<?php\n"})
"""What a piece of a file needs in front of it to be read as code."""

_MAX_SINGLE: Final = 8
"""So many proposals are tried one by one when they do not all pass together."""


def sound(marked: MarkedFile, proposals: Sequence[Proposal], deadline: float) -> list[Proposal]:
    """The proposals that bring no parse error into the file: it has no more of them than the worse side has.

    There is at most one proposal for a hunk; open hunks are filled with one side. Without a grammar there is nothing to
    check; where the parser gives up there is no proof, so no proposal.
    """
    grammar = language_of(marked.path)
    if grammar is None or not proposals:
        return list(proposals)
    errors = _errors(marked, grammar, [(), proposals], deadline)
    if errors is None:
        return []
    allowed, together = max(errors[0]), min(errors[1])
    if together <= allowed:
        return list(proposals)
    if not 1 < len(proposals) <= _MAX_SINGLE:
        return []
    single = _errors(marked, grammar, [(proposal,) for proposal in proposals], deadline)
    return [item for item, counts in zip(proposals, single or [], strict=False) if min(counts) <= allowed]


def _errors(
    marked: MarkedFile, grammar: str, attempts: Sequence[Sequence[Proposal]], deadline: float
) -> list[tuple[int, int]] | None:
    """For each attempt the errors of the file with those proposals in it, the rest filled with ours, with theirs."""
    documents = []
    opening = _OPENINGS.get(grammar, b"")
    for attempt in attempts:
        settled = {proposal.index: proposal.content for proposal in attempt}
        for side in ([hunk.ours for hunk in marked.hunks], [hunk.theirs for hunk in marked.hunks]):
            content = splice(marked, [settled.get(index, text) for index, text in enumerate(side)])
            whole = content if opening[:2] in content else opening + content
            documents.append(Document(grammar=grammar, content=whole))
    counts = [parsed.errors for parsed in parse(documents, deadline) if parsed is not None]
    return list(zip(counts[::2], counts[1::2], strict=True)) if len(counts) == len(documents) else None
