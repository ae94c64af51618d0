"""Parts of a model in an attacker's hands: it makes the calls it is given, or obeys what it finds in the repository."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from app.demo.model.messages import ModelRequest
from app.demo.model.reading import parse_page
from app.demo.model.replies import Call, Message, Reply, Script, Wanted, numbered
from app.demo.model.resolver import HonestResolver

_ORDER: Final = re.compile(r"MODEL:\s*(\{.*)")
_OBEYED: Final = "toolu_obeyed_"
_ORDERED: Final = "toolu_ordered_"


@dataclass(frozen=True, slots=True)
class Ordered:
    """Makes ``calls`` one a turn from the first turn on, then plays ``then``."""

    calls: Sequence[Wanted]
    then: Script = field(default_factory=HonestResolver)

    def reply(self, request: ModelRequest) -> Reply:
        """The next call, or the script's reply."""
        mine = frozenset(use.id for use in request.tool_uses if use.id.startswith(_ORDERED))
        if len(mine) == len(self.calls):
            return self.then.reply(request.without(mine))
        return Message(content=(numbered(self.calls[len(mine)], _ORDERED, len(mine)),))


@dataclass(frozen=True, slots=True)
class Obedient:
    """Plays ``then``, but obeys each line ``MODEL: {"tool": name, "input": {…}}`` that reaches it, once.

    Such lines are looked for in everything the model is shown: the system prompt, the prompt and all results of tools.
    """

    then: Script = field(default_factory=HonestResolver)

    def reply(self, request: ModelRequest) -> Reply:
        """All orders not yet obeyed, or the script's reply."""
        mine = [use.id for use in request.tool_uses if use.id.startswith(_OBEYED)]
        orders = list(dict.fromkeys(_orders(request)))
        calls = []
        for number, order in enumerate(orders[len(mine) :], start=len(mine)):
            wanted = json.loads(order)
            calls.append(Call(id=f"{_OBEYED}{number}", name=wanted["tool"], input=wanted["input"]))
        return Message(content=tuple(calls)) if calls else self.then.reply(request.without(frozenset(mine)))


def _orders(request: ModelRequest) -> Iterator[str]:
    """The orders in everything shown, in the order in which they were shown, each as normalised JSON."""
    yield from _orders_in(request.system)
    yield from _orders_in(request.prompt)
    for use in request.tool_uses:
        if use.result is None:
            continue
        page = parse_page(use.result)
        text = "\n".join(page.lines) or use.result
        yield from _orders_in(text)
        yield from (order for string in _strings(text) for order in _orders_in(string))


def _orders_in(text: str) -> Iterator[str]:
    for match in _ORDER.finditer(text):
        try:
            order, _ = json.JSONDecoder().raw_decode(match[1])
        except ValueError:
            continue
        if isinstance(order, dict) and isinstance(order.get("tool"), str) and isinstance(order.get("input"), dict):
            yield json.dumps(order, sort_keys=True)


def _strings(text: str) -> Iterator[str]:
    """Every string in ``text`` if it is a JSON document, as the context file is."""
    try:
        waiting: list[Any] = [json.loads(text)]
    except ValueError:
        return
    while waiting:
        value = waiting.pop()
        match value:
            case str():
                yield value
            case list():
                waiting += reversed(value)
            case dict():
                waiting += reversed(value.values())
            case _:
                pass
