"""Who resolves conflicts, cheapest first: the one list behind the pipeline, the documentation and the benchmark."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bot.model.cases import FileCase
from bot.model.resolutions import HunkAnswer, Tier
from bot.resolvers.rules import (
    additions,
    adjacent,
    both,
    history,
    identical,
    recorded,
    removed,
    superset,
    tokens,
    union,
    version,
    whitespace,
)
from bot.resolvers.structural import resolver as structural

Rule = Callable[[FileCase], Iterable[HunkAnswer]]
"""A pure function: facts of one file in, answers to some of its hunks out. It may be slow: call it in a thread."""


class Outside(StrEnum):
    """Resolvers that need more than the file: a sandbox, the model, a person. The use cases see to them."""

    REGENERATE = "regenerate"
    DIRECT = "direct"
    AGENT = "agent"
    PEOPLE = "people"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolver:
    """One way to resolve a conflict. Answers of tier ``B`` are candidates; those of other tiers are applied."""

    name: str
    tier: Tier
    summary: str
    answer: Rule | Outside


RESOLVERS: Final = (
    Resolver(name=identical.NAME, tier=Tier.A, summary=identical.SUMMARY, answer=identical.answer),
    Resolver(name=history.NAME, tier=Tier.A, summary=history.SUMMARY, answer=history.answer),
    Resolver(name=whitespace.NAME, tier=Tier.A, summary=whitespace.SUMMARY, answer=whitespace.answer),
    Resolver(name=version.NAME, tier=Tier.A, summary=version.SUMMARY, answer=version.answer),
    Resolver(name=removed.NAME, tier=Tier.A, summary=removed.SUMMARY, answer=removed.answer),
    Resolver(name=superset.NAME, tier=Tier.A, summary=superset.SUMMARY, answer=superset.answer),
    Resolver(name=recorded.NAME, tier=Tier.RECORDED, summary=recorded.SUMMARY, answer=recorded.answer),
    Resolver(name=structural.NAME, tier=Tier.STRUCTURAL, summary=structural.SUMMARY, answer=structural.answer),
    Resolver(
        name="regenerate",
        tier=Tier.REGENERATED,
        summary="A generated file is made anew by the repository's own command, in a sandbox.",
        answer=Outside.REGENERATE,
    ),
    Resolver(name=additions.NAME, tier=Tier.B, summary=additions.SUMMARY, answer=additions.answer),
    Resolver(name=tokens.NAME, tier=Tier.B, summary=tokens.SUMMARY, answer=tokens.answer),
    Resolver(name=adjacent.NAME, tier=Tier.B, summary=adjacent.SUMMARY, answer=adjacent.answer),
    Resolver(name=union.NAME, tier=Tier.B, summary=union.SUMMARY, answer=union.answer),
    Resolver(name=both.NAME, tier=Tier.B, summary=both.SUMMARY, answer=both.answer),
    Resolver(
        name="direct",
        tier=Tier.DIRECT,
        summary="A few hunks are put to the model in one call, with the candidates.",
        answer=Outside.DIRECT,
    ),
    Resolver(
        name="agent",
        tier=Tier.AGENT,
        summary="Claude Code works on the files in a sandbox, with the repository at hand.",
        answer=Outside.AGENT,
    ),
    Resolver(
        name="people",
        tier=Tier.PERSON,
        summary="A person decides, with a suggestion and its reason.",
        answer=Outside.PEOPLE,
    ),
)
"""All resolvers, in the order in which they are asked. Only what is open moves on to the next."""
