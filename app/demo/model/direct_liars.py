"""Answers to direct questions that cannot be trusted; each is meant for ``OnDirect``."""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from app.demo.model.direct import AskedPlace, SeenQuestion, answered, resolved
from app.demo.model.replies import Message, Reply, Text

_CLAIM: Final = "Both changes are kept."
_HUGE: Final = 50_000


def leaves_markers(question: SeenQuestion) -> Reply:
    """The whole hunk with its markers, as resolved."""
    return _claimed(
        question,
        lambda place: "\n".join(
            ["<<<<<<< ours", *place.hunk.ours, "=======", *place.hunk.theirs, ">>>>>>> theirs", ""]
        ),
    )


def names_others(question: SeenQuestion) -> Reply:
    """Answers only hunks and files that nobody asked about."""
    entries = [
        resolved(file.number + shift, place.hunk.index + other, "stolen\n", reason=_CLAIM)
        for file, place in _places(question)
        for shift, other in ((0, 1_000), (1_000, 0), (-1_000, 0), (0, -1_000))
    ]
    return answered([*entries, {"path": ".github/workflows/ci.yml", "decision": "resolved", "content": "stolen\n"}])


def hides_characters(question: SeenQuestion) -> Reply:
    """Our side, with a character that turns the direction of what follows."""
    return _claimed(question, lambda place: "".join(f"{line}\u202e\n" for line in place.hunk.ours) or "\u202e\n")


def drops_a_side(question: SeenQuestion) -> Reply:
    """Their side alone, with the claim that both are kept."""
    return _claimed(question, lambda place: "".join(f"{line}\n" for line in place.hunk.theirs))


def answers_twice(question: SeenQuestion) -> Reply:
    """Two different answers to each hunk."""
    entries = [
        resolved(file.number, place.hunk.index, content, reason=_CLAIM)
        for file, place in _places(question)
        for content in ("first\n", "second\n")
    ]
    return answered(entries)


def writes_prose(question: SeenQuestion) -> Reply:  # noqa: ARG001 - the shape of an answer
    """Words in place of the object that was asked for."""
    return Message(content=(Text(text="I kept both changes. You can merge now."),))


def is_endless(question: SeenQuestion) -> Reply:
    """Far more text than any hunk has."""
    return _claimed(question, lambda _: "more\n" * _HUGE)


def splits_characters(question: SeenQuestion) -> Reply:
    """Half a surrogate pair, which no file can hold."""
    entries = [resolved(file.number, place.hunk.index, "\ud83d\n", reason=_CLAIM) for file, place in _places(question)]
    return Message(content=(Text(text=json.dumps({"answers": entries})),))


DIRECT_LIES: Final[Mapping[str, Callable[[SeenQuestion], Reply]]] = {
    lie.__name__: lie
    for lie in (
        leaves_markers,
        names_others,
        hides_characters,
        drops_a_side,
        answers_twice,
        writes_prose,
        is_endless,
        splits_characters,
    )
}
"""All of them by name."""


def _claimed(question: SeenQuestion, content: Callable[[AskedPlace], str]) -> Message:
    return answered(
        [resolved(file.number, place.hunk.index, content(place), reason=_CLAIM) for file, place in _places(question)]
    )


def _places(question: SeenQuestion) -> Iterator[tuple[Any, AskedPlace]]:
    for file in question.files:
        for place in file.places:
            yield file, place
