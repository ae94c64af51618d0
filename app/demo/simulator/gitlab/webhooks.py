"""Webhooks of projects and groups: signed or with a token, really sent, turned off when they keep failing."""

import base64
import hashlib
import hmac
import uuid
from collections.abc import Mapping
from datetime import timedelta

from app.demo.simulator.gitlab.state import GitLabWorld, Hook
from app.demo.simulator.record import Record
from app.demo.simulator.state import Repository
from app.demo.simulator.webhooks import Attempt, Delivery, Webhooks, encode

EVENT_NAMES: Mapping[str, str] = {
    "push_events": "Push Hook",
    "tag_push_events": "Tag Push Hook",
    "merge_requests_events": "Merge Request Hook",
    "issues_events": "Issue Hook",
    "note_events": "Note Hook",
    "pipeline_events": "Pipeline Hook",
    "emoji_events": "Emoji Hook",
}
"""``X-Gitlab-Event`` by what a hook subscribes to.

Source: https://docs.gitlab.com/user/project/integrations/webhook_events/ .
"""
FAILURES_BEFORE_PAUSE = 4
FAILURES_BEFORE_END = 40
LONGEST_PAUSE = timedelta(days=1)
"""Source: https://docs.gitlab.com/user/project/integrations/webhooks/#auto-disabled-webhooks ."""
GOOD = range(200, 400)


class ProjectWebhooks(Webhooks):
    """GitLab's: each event goes to every hook that is told of such events.

    ``url`` and ``secret`` are those of the hook that a project gets in which FlowForge is set up; with ``url`` None
    such projects get none until it is set.
    """

    def __init__(
        self, *, world: GitLabWorld, record: Record, secret: str, url: str | None, signing_token: str = ""
    ) -> None:
        super().__init__(world=world, record=record)
        self.url = url
        self.secret = secret
        self.signing_token = signing_token
        self._hooks = world.hooks
        self._clock = world.clock
        self._instance = str(uuid.uuid4())

    def address(self, delivery: Delivery) -> str | None:
        """Where the delivery's hook is; None when it is gone, or has no address yet."""
        hook = self._hook(delivery)
        return None if hook is None else hook.url or self.url

    def headers(self, delivery: Delivery) -> dict[str, str]:
        """The headers of a delivery.

        Source: https://docs.gitlab.com/user/project/integrations/webhooks/#delivery-headers .
        """
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "GitLab/flowforge-simulator",
            "Idempotency-Key": delivery.guid,
            "X-Gitlab-Event": delivery.event,
            "X-Gitlab-Event-UUID": str(uuid.uuid5(uuid.NAMESPACE_OID, delivery.guid)),
            "X-Gitlab-Instance": self._world.base_url,
            "X-Gitlab-Webhook-UUID": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self._instance}/{delivery.hook_id}")),
        }
        hook = self._hook(delivery)
        if hook is not None and hook.token:
            headers["X-Gitlab-Token"] = hook.token
        if hook is not None and hook.signing_token:
            timestamp = str(int(self._clock.now().timestamp()))
            headers |= {
                "webhook-id": delivery.guid,
                "webhook-timestamp": timestamp,
                "webhook-signature": sign(hook.signing_token, delivery.guid, timestamp, delivery.body),
            }
        return headers

    def emit(self, events: str, payload: Mapping[str, object], repository: Repository, *, branch: str = "") -> None:
        """Make a delivery for every hook that is told of such events in the project, and is not turned off."""
        for hook in list(self._hooks.values()):
            if not hook.covers(repository) or events not in hook.events or not self.executable(hook):
                continue
            if branch and hook.branch_filter and hook.branch_filter != branch:
                continue
            self.put(self.delivery(hook, EVENT_NAMES[events], payload, repository))

    def delivery(self, hook: Hook, event: str, payload: Mapping[str, object], repository: Repository) -> Delivery:
        """A delivery of an event to one hook."""
        attributes = payload.get("object_attributes")
        action = attributes.get("action") if isinstance(attributes, dict) else None
        return Delivery(
            guid=str(uuid.uuid4()),
            event=event,
            action=action if isinstance(action, str) else None,
            installation_id=None,
            repository_id=repository.id,
            payload=payload,
            body=encode(payload),
            hook_id=hook.id,
        )

    def executable(self, hook: Hook) -> bool:
        """Whether the hook is told of anything now."""
        return self.alert_status(hook) == "executable"

    def alert_status(self, hook: Hook) -> str:
        """How a hook does, in GitLab's words."""
        if hook.failures >= FAILURES_BEFORE_END:
            return "disabled"
        if hook.disabled_until is not None and hook.disabled_until >= self._clock.now():
            return "temporarily_disabled"
        return "executable"

    def answered(self, delivery: Delivery, attempt: Attempt) -> None:
        """Count failures: four in a row pause a hook for a minute, each further one for twice as long, forty end it.

        Any answer below 400 makes up for all of them. Hooks of projects and of groups are counted alike.
        Source: https://docs.gitlab.com/user/project/integrations/webhooks/#auto-disabled-webhooks .
        """
        hook = self._hook(delivery)
        if hook is None:
            return
        if attempt.status_code in GOOD:
            hook.failures, hook.disabled_until = 0, None
            return
        hook.failures = min(hook.failures + 1, FAILURES_BEFORE_END)
        if hook.failures >= FAILURES_BEFORE_PAUSE:
            pause = timedelta(minutes=2 ** min(hook.failures - FAILURES_BEFORE_PAUSE, 11))
            hook.disabled_until = self._clock.now() + min(pause, LONGEST_PAUSE)

    async def send_now(self, delivery: Delivery) -> int:
        """Send a delivery outside of its turn; the status of the answer, 0 for none."""
        await self._send(delivery, redelivery=bool(delivery.attempts))
        self._world.changed()
        return delivery.attempts[-1].status_code

    def _hook(self, delivery: Delivery) -> Hook | None:
        return None if delivery.hook_id is None else self._hooks.get(delivery.hook_id)


def sign(signing_token: str, message_id: str, timestamp: str, body: bytes) -> str:
    """The value of ``webhook-signature``.

    Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md .
    """
    key = base64.b64decode(signing_token.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode('ascii')}"
