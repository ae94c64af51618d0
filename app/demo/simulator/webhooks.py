"""Webhooks: signed, really sent, kept with what came back, sent again when asked."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import ssl
import uuid
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import httpx

from app.demo.simulator.record import Record, SentWebhook
from app.demo.simulator.state import GitHubWorld, World

ALWAYS_SENT = frozenset({"installation", "installation_repositories", "ping"})
SECRET_HEADERS = frozenset({"X-Hub-Signature-256", "X-Gitlab-Token", "webhook-signature"})
"""What the record leaves out: who reads it must not be able to send a delivery again."""
ANSWER_SECONDS = 10.0
"""How long GitHub and GitLab wait.

Source: https://docs.github.com/webhooks/using-webhooks/best-practices-for-using-webhooks and
https://docs.gitlab.com/user/project/integrations/webhooks/ .
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt at a delivery; ``id`` is what GitHub's deliveries API calls it, ``status_code`` 0 means no answer."""

    id: int
    at: datetime
    redelivery: bool
    seconds: float
    status: str
    status_code: int


@dataclass(slots=True, kw_only=True, eq=False)
class Delivery:
    """One event for one receiver. ``guid`` stays the same however often it is sent.

    ``installation_id`` is None on GitLab, ``hook_id`` on GitHub, whose App has one webhook for everything.
    """

    guid: str
    event: str
    action: str | None
    installation_id: int | None
    repository_id: int | None
    payload: Mapping[str, object]
    body: bytes
    hook_id: int | None = None
    attempts: list[Attempt] = field(default_factory=list)


class _Fate(StrEnum):
    DROP = "drop"
    DUPLICATE = "duplicate"


@dataclass(slots=True, kw_only=True)
class _Rule:
    fate: _Fate
    event: str | None
    times: int


class Webhooks(ABC):
    """Sends deliveries one after the other, as long as nobody tells it otherwise.

    A delivery without an address stays unsent; ``deliveries`` holds all of them, oldest first.
    """

    def __init__(self, *, world: World, record: Record) -> None:
        self.deliveries: list[Delivery] = []
        self.held: list[Delivery] = []
        self._world = world
        self._record = record
        self._holding = False
        self._rules: list[_Rule] = []
        self._waiting: deque[tuple[Delivery, bool]] = deque()
        self._news = asyncio.Event()
        self._sending = False
        # Webhooks go to loopback over HTTP: a context without certificates spares reading the machine's.
        self._client = httpx.AsyncClient(
            timeout=ANSWER_SECONDS, trust_env=False, verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        )
        self._worker = asyncio.create_task(self._work(), name="simulator-webhooks")

    # What differs between the forges.

    @abstractmethod
    def address(self, delivery: Delivery) -> str | None:
        """Where a delivery goes; None keeps it unsent."""

    @abstractmethod
    def headers(self, delivery: Delivery) -> dict[str, str]:
        """The headers of a delivery."""

    @abstractmethod
    def answered(self, delivery: Delivery, attempt: Attempt) -> None:
        """Hear how an attempt ended."""

    # What tests and the demo say.

    def hold(self) -> None:
        """Keep deliveries back from now on."""
        self._holding = True

    def release(self, order: Iterable[int] | None = None) -> None:
        """Send what was kept back, optionally in another order (positions in ``held``), and stop holding."""
        self._holding = False
        held, self.held = self.held, []
        for position in range(len(held)) if order is None else order:
            self._enqueue(held[position], redelivery=False)

    def drop(self, event: str | None = None, *, times: int = 1) -> None:
        """Lose the next deliveries (of one event): GitHub lists them as failed, nothing reaches the bot."""
        self._rules.append(_Rule(fate=_Fate.DROP, event=event, times=times))

    def duplicate(self, event: str | None = None, *, times: int = 1) -> None:
        """Send the next deliveries (of one event) twice."""
        self._rules.append(_Rule(fate=_Fate.DUPLICATE, event=event, times=times))

    def redeliver(self, delivery: Delivery) -> None:
        """Send a delivery again under the same guid."""
        self._enqueue(delivery, redelivery=True)

    async def settled(self, *, timeout: float = 30.0) -> None:  # noqa: ASYNC109 - the caller's deadline
        """Wait until every delivery that is not held back got its answer. Raises ``TimeoutError``."""
        await self._world.wait_for(
            lambda: not self._waiting and not self._sending, timeout=timeout, what="the deliveries to be answered"
        )

    # What the simulator does.

    def put(self, delivery: Delivery) -> None:
        """Take a delivery over, to send it in its turn."""
        self.deliveries.append(delivery)
        if self._holding:
            self.held.append(delivery)
        else:
            self._enqueue(delivery, redelivery=False)
        self._world.changed()

    def attempts(self) -> list[tuple[Delivery, Attempt]]:
        """All attempts, newest first."""
        pairs = [(delivery, attempt) for delivery in self.deliveries for attempt in delivery.attempts]
        return sorted(pairs, key=lambda pair: -pair[1].id)

    async def close(self) -> None:
        """Stop sending."""
        self._worker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._worker
        await self._client.aclose()

    def _enqueue(self, delivery: Delivery, *, redelivery: bool) -> None:
        if self.address(delivery) is None:
            return
        self._waiting.append((delivery, redelivery))
        self._news.set()

    async def _work(self) -> None:
        while True:
            while not self._waiting:
                self._news.clear()
                await self._news.wait()
            delivery, redelivery = self._waiting.popleft()
            self._sending = True
            fate = None if redelivery else self._fate(delivery.event)
            if fate is _Fate.DROP:
                self._note(delivery, redelivery=redelivery, seconds=0.0, status="failed to connect to host", code=0)
            else:
                await self._send(delivery, redelivery=redelivery)
            if fate is _Fate.DUPLICATE:
                await self._send(delivery, redelivery=False)
            self._sending = False
            self._world.changed()

    def _fate(self, event: str) -> _Fate | None:
        for rule in self._rules:
            if rule.times > 0 and rule.event in {None, event}:
                rule.times -= 1
                return rule.fate
        return None

    async def _send(self, delivery: Delivery, *, redelivery: bool) -> None:
        headers = self.headers(delivery)
        started = asyncio.get_running_loop().time()
        code = 0
        try:
            if (url := self.address(delivery)) is not None:
                answer = await self._client.post(url, content=delivery.body, headers=headers)
                code = answer.status_code
            status = "OK" if httpx.codes.is_success(code) else f"Invalid HTTP Response: {code}"
        except httpx.TimeoutException:
            status = "timed out"
        except Exception:  # noqa: BLE001 - whatever is wrong with the address, the delivery failed
            status = "failed to connect to host"
        seconds = asyncio.get_running_loop().time() - started
        self._note(delivery, redelivery=redelivery, seconds=seconds, status=status, code=code)
        self._record.add(
            SentWebhook(
                number=self._record.next_number(),
                at=self._world.now(),
                delivery_id=delivery.guid,
                event=delivery.event,
                action=delivery.action,
                headers={name: value for name, value in headers.items() if name not in SECRET_HEADERS},
                payload=delivery.payload,
                status=code or None,
            )
        )

    def _note(self, delivery: Delivery, *, redelivery: bool, seconds: float, status: str, code: int) -> None:
        attempt = Attempt(
            id=self._world.new_id(),
            at=self._world.now(),
            redelivery=redelivery,
            seconds=round(seconds, 2),
            status=status,
            status_code=code,
        )
        delivery.attempts.append(attempt)
        self.answered(delivery, attempt)


def encode(payload: Mapping[str, object]) -> bytes:
    """A payload as it goes over the wire."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


class AppWebhooks(Webhooks):
    """GitHub's: one address and one secret for everything the App subscribes to. ``url`` None sends nothing."""

    def __init__(self, *, world: GitHubWorld, record: Record, secret: str, url: str | None) -> None:
        super().__init__(world=world, record=record)
        self.url = url
        self.secret = secret
        self._app = world.app

    def sign(self, body: bytes) -> str:
        """The value of ``X-Hub-Signature-256`` for a body.

        Source: https://docs.github.com/webhooks/using-webhooks/validating-webhook-deliveries .
        """
        return "sha256=" + hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()

    def address(self, delivery: Delivery) -> str | None:
        """The App's one address."""
        del delivery
        return self.url

    def headers(self, delivery: Delivery) -> dict[str, str]:
        """The headers of a delivery.

        Source: https://docs.github.com/webhooks/webhook-events-and-payloads#delivery-headers .
        """
        return {
            "Accept": "*/*",
            "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/flowforge-simulator",
            "X-GitHub-Delivery": delivery.guid,
            "X-GitHub-Event": delivery.event,
            "X-GitHub-Hook-ID": str(self._app.id + 1),
            "X-GitHub-Hook-Installation-Target-ID": str(self._app.id),
            "X-GitHub-Hook-Installation-Target-Type": "integration",
            "X-Hub-Signature-256": self.sign(delivery.body),
        }

    def answered(self, delivery: Delivery, attempt: Attempt) -> None:
        """GitHub keeps no count of failures: an App's webhook is never turned off for them."""

    def emit(
        self,
        event: str,
        payload: Mapping[str, object],
        *,
        action: str | None = None,
        installation_id: int | None = None,
        repository_id: int | None = None,
    ) -> None:
        """Make a delivery of an event the App subscribes to."""
        if event not in ALWAYS_SENT and event not in self._app.events:
            return
        self.put(
            Delivery(
                guid=str(uuid.uuid4()),
                event=event,
                action=action,
                installation_id=installation_id,
                repository_id=repository_id,
                payload=payload,
                body=encode(payload),
            )
        )
