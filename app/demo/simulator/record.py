"""The record: every request the simulator answered and every webhook it sent, for contract tests and the transcript."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One request and its answer, without credentials.

    ``who`` says as whom the request was authenticated (``app``, ``installation 1000005``, ``user ada``, ``nobody``).
    ``raw_path`` is the path as it was sent, quoted. ``lost`` is True when the work was done but the connection was
    closed instead of answered. Bodies of git's own protocol are left out.
    """

    number: int
    at: datetime
    who: str
    method: str
    path: str
    query: str
    request_headers: Mapping[str, str]
    request_body: bytes
    status: int
    response_headers: Mapping[str, str]
    response_body: bytes
    lost: bool = False
    raw_path: str = ""

    def request_json(self) -> object:
        """The request's body, decoded; None when there was none."""
        return json.loads(self.request_body) if self.request_body else None

    def response_json(self) -> object:
        """The answer's body, decoded; None when there was none."""
        return json.loads(self.response_body) if self.response_body else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SentWebhook:
    """One attempt at a delivery and what came back; ``status`` None when nobody answered."""

    number: int
    at: datetime
    delivery_id: str
    event: str
    action: str | None
    headers: Mapping[str, str]
    payload: Mapping[str, object]
    status: int | None


@dataclass(slots=True, kw_only=True)
class Record:
    """The record, in the order in which answers and deliveries ended; ``listeners`` are told of every entry."""

    exchanges: list[Exchange] = field(default_factory=list)
    webhooks: list[SentWebhook] = field(default_factory=list)
    listeners: list[Callable[[Exchange | SentWebhook], None]] = field(default_factory=list)
    _number: int = 0

    def next_number(self) -> int:
        """The number of the next entry; requests and webhooks share one sequence."""
        self._number += 1
        return self._number

    def add(self, entry: Exchange | SentWebhook) -> None:
        """Keep an entry and tell the listeners."""
        if isinstance(entry, Exchange):
            self.exchanges.append(entry)
        else:
            self.webhooks.append(entry)
        for listener in self.listeners:
            listener(entry)

    def requests(self, method: str | None = None, path_contains: str = "") -> list[Exchange]:
        """The exchanges with that method and that part of a path, in order."""
        return [
            exchange
            for exchange in self.exchanges
            if method in (None, exchange.method) and path_contains in exchange.path
        ]
