"""Webhook deliveries: is it from GitHub, and what does it say?

Everything here is free of I/O. A signature proves who wrote the body, not when and not under which headers: a delivery
can be replayed, so what it says is a hint, and state is read from the API.
"""

import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeVar

import msgspec

from bot.errors import SettingsError
from bot.forges import strict
from bot.forges.github import payloads
from bot.model.deliveries import Delivery
from bot.model.events import (
    Assigned,
    BranchPushed,
    CheckActionRequested,
    CheckFailed,
    CheckRerequested,
    CommentEdited,
    CommentPosted,
    Event,
    InstallationAction,
    InstallationChanged,
    LabelAdded,
    Pinged,
    PullRequestAction,
    PullRequestChanged,
    Unused,
)
from bot.model.forge import Actor, ActorKind, ForgeKind, ForgeName, RepositoryRef
from bot.model.work import SeenText

MAX_SECRETS: Final = 2
MIN_SECRET_BYTES: Final = 16

_SIGNATURE: Final = re.compile(r"sha256=([0-9a-f]{64})")
_DELIVERY_ID: Final = re.compile(r"[A-Za-z0-9-]{8,64}")
_EVENT: Final = re.compile(r"[a-z_]{2,40}")
_BRANCH: Final = "refs/heads/"

_Payload = TypeVar("_Payload", bound=msgspec.Struct)


def verify_signature(body: bytes, header: str | None, secrets: Sequence[bytes]) -> bool:
    """Whether ``header`` (``X-Hub-Signature-256``) is the HMAC-SHA256 of the raw ``body`` under one of ``secrets``.

    Only ``sha256=`` and 64 lower-case hexadecimal digits will do. Every secret is tried, each in constant time, so
    that the time taken tells nothing about which one fits. Never raises; without a secret nothing is authentic.

    Source: https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries
    """
    match = _SIGNATURE.fullmatch(header or "")
    if match is None:
        return False
    claimed = match[1].encode("ascii")
    verdicts = [
        hmac.compare_digest(hmac.digest(secret, body, "sha256").hex().encode("ascii"), claimed) for secret in secrets
    ]
    return any(verdicts)


def identify(headers: Mapping[str, str], _body: bytes) -> tuple[str, str] | None:
    """The id and the event of a delivery, by its headers' lower-case names; None where one is missing or malformed.

    The id is the same however often GitHub sends a delivery.
    https://docs.github.com/en/webhooks/webhook-events-and-payloads#delivery-headers
    """
    delivery_id, event = headers.get("x-github-delivery", ""), headers.get("x-github-event", "")
    if not _DELIVERY_ID.fullmatch(delivery_id) or not _EVENT.fullmatch(event):
        return None
    return delivery_id, event


class SignatureVerifier:
    """``verify_signature`` with this App's secrets: the one in use, and while rotating also the next."""

    def __init__(self, secrets: Sequence[bytes]) -> None:
        """Keep the secrets.

        Raises:
            SettingsError: there is none, there are more than two, or one has fewer than 16 bytes.
        """
        if not 1 <= len(secrets) <= MAX_SECRETS:
            raise SettingsError(f"one webhook secret is needed, or {MAX_SECRETS} while rotating; got {len(secrets)}")
        if any(len(secret) < MIN_SECRET_BYTES for secret in secrets):
            raise SettingsError(f"a webhook secret must have at least {MIN_SECRET_BYTES} bytes")
        self._secrets = tuple(secrets)

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether the request with these headers (by lower-case names) and this raw body came from GitHub."""
        return verify_signature(body, headers.get("x-hub-signature-256"), self._secrets)


@dataclass(frozen=True, slots=True)
class _App:
    """Whose deliveries are decoded: the App's id, and the name of the forge that it makes of its host."""

    id: int
    forge: ForgeName


class DeliveryDecoder:
    """Turns verified deliveries into events, for one App."""

    def __init__(self, *, app_id: int, name: ForgeName = ForgeKind.GITHUB) -> None:
        self._app = _App(app_id, name)

    def decode(self, delivery: Delivery) -> Event:
        """The event that a delivery tells of, ``Unused`` when the bot has no use for it.

        Raises:
            PayloadError: the body is not what GitHub documents; the message quotes nothing of it.
        """
        decoder = _DECODERS.get(delivery.event)
        if decoder is None:
            return _unused(delivery.delivery_id, "events of this kind are not used")
        return decoder(delivery.delivery_id, strict.parse(delivery.body), self._app)


def _comment(delivery_id: str, document: object, app: _App) -> Event:
    action = _read(document, payloads.Action).action
    if action not in {"created", "edited"}:
        return _unused(delivery_id, "only new and edited comments count")
    payload = _read(document, payloads.IssueComment)
    repository, actor = _repository(app, payload.repository, payload.installation), _actor(payload.sender)
    on_pull_request = payload.issue.pull_request is not None
    if action == "created":
        return CommentPosted(
            delivery_id=delivery_id,
            repository=repository,
            number=payload.issue.number,
            on_pull_request=on_pull_request,
            comment_id=payload.comment.id,
            body=payload.comment.body,
            actor=actor,
            seen=_seen(payload),
        )
    if payload.changes.body is None:
        return _unused(delivery_id, "the edit left the comment's text as it was")
    return CommentEdited(
        delivery_id=delivery_id,
        repository=repository,
        number=payload.issue.number,
        on_pull_request=on_pull_request,
        comment_id=payload.comment.id,
        body=payload.comment.body,
        body_before=payload.changes.body.before,
        actor=actor,
        seen=_seen(payload),
    )


def _seen(payload: payloads.IssueComment) -> SeenText | None:
    """The issue's text when the comment was written or edited: GitHub renders both at that moment."""
    at = payload.comment.updated_at
    if at is None or at.tzinfo is None:
        return None
    return SeenText(title=payload.issue.title, body=payload.issue.body or "", at=at)


_MARKING: Final = frozenset({"labeled", "assigned"})


def _pull_request(delivery_id: str, document: object, app: _App) -> Event:
    payload = _read(document, payloads.PullRequest)
    if payload.action in _MARKING:
        marked = _read(document, payloads.PullRequestMarked)
        base_ref = payload.pull_request.base.ref
        return _marked(
            app, delivery_id, marked, marked.pull_request, payload.number, on_pull_request=True, base_ref=base_ref
        )
    known = frozenset(PullRequestAction)
    return PullRequestChanged(
        delivery_id=delivery_id,
        repository=_repository(app, payload.repository, payload.installation),
        number=payload.number,
        action=PullRequestAction(payload.action) if payload.action in known else PullRequestAction.OTHER,
        head_sha=payload.pull_request.head.sha,
        base_ref=payload.pull_request.base.ref,
        actor=_actor(payload.sender),
        open=None if payload.pull_request.state is None else payload.pull_request.state == "open",
        base_sha=payload.pull_request.base.sha,
        updated_at=payload.pull_request.updated_at,
    )


def _issue(delivery_id: str, document: object, app: _App) -> Event:
    if _read(document, payloads.Action).action not in _MARKING:
        return _unused(delivery_id, "only labels and assignments count")
    marked = _read(document, payloads.IssueMarked)
    issue = _read(document, payloads.IssueNumbered).issue
    base_ref = _read(document, payloads.InRepositoryWithDefault).repository.default_branch
    on_pull_request = issue.pull_request is not None
    return _marked(
        app, delivery_id, marked, marked.issue, issue.number, on_pull_request=on_pull_request, base_ref=base_ref
    )


def _marked(
    app: _App,
    delivery_id: str,
    payload: payloads.Marked,
    text: payloads.Text,
    number: int,
    *,
    on_pull_request: bool,
    base_ref: str,
) -> Event:
    repository, actor = _repository(app, payload.repository, payload.installation), _actor(payload.sender)
    if payload.label is not None:
        return LabelAdded(
            delivery_id=delivery_id,
            repository=repository,
            number=number,
            on_pull_request=on_pull_request,
            label=payload.label.name,
            title=text.title,
            body=text.body or "",
            base_ref=base_ref,
            actor=actor,
        )
    if payload.assignee is not None:
        return Assigned(
            delivery_id=delivery_id,
            repository=repository,
            number=number,
            on_pull_request=on_pull_request,
            assignee=_actor(payload.assignee),
            title=text.title,
            body=text.body or "",
            base_ref=base_ref,
            actor=actor,
        )
    return _unused(delivery_id, "it says neither which label nor who was assigned")


def _check_run(delivery_id: str, document: object, app: _App) -> Event:
    action = _read(document, payloads.Action).action
    if action not in {"completed", "requested_action", "rerequested"}:
        return _unused(delivery_id, "only the end of a check run counts, and what people ask of one")
    owner = _read(document, payloads.CheckRunOwned).check_run.app
    ours = owner is not None and owner.id == app.id
    if action == "completed":
        return _unused(delivery_id, "the check run is ours") if ours else _check_ended(delivery_id, document, app)
    if not ours:
        return _unused(delivery_id, "the check run belongs to another App")
    if action == "rerequested":
        payload = _read(document, payloads.CheckRun)
        return CheckRerequested(
            delivery_id=delivery_id,
            repository=_repository(app, payload.repository, payload.installation),
            check_run_id=payload.check_run.id,
            external_id=payload.check_run.external_id or "",
            head_sha=payload.check_run.head_sha,
            actor=_actor(payload.sender),
        )
    clicked = _read(document, payloads.CheckRunWithAction)
    return CheckActionRequested(
        delivery_id=delivery_id,
        repository=_repository(app, clicked.repository, clicked.installation),
        check_run_id=clicked.check_run.id,
        external_id=clicked.check_run.external_id or "",
        head_sha=clicked.check_run.head_sha,
        action=clicked.requested_action.identifier,
        actor=_actor(clicked.sender),
    )


def _check_ended(delivery_id: str, document: object, app: _App) -> Event:
    """A check run of another App ended: those with read access to checks are told of all.

    https://docs.github.com/en/webhooks/webhook-events-and-payloads?actionType=completed#check_run
    """
    payload = _read(document, payloads.CheckRunEnded)
    check, repository = payload.check_run, _repository(app, payload.repository, payload.installation)
    if check.conclusion not in payloads.FAILED:
        return _unused(delivery_id, "the check run did not fail")
    pulls = tuple((one.number, one.base.ref) for one in check.pull_requests if one.base.repo.id == repository.id)
    return CheckFailed(delivery_id=delivery_id, repository=repository, head_sha=check.head_sha, pulls=pulls)


def _push(delivery_id: str, document: object, app: _App) -> Event:
    payload = _read(document, payloads.Push)
    branch = payload.ref.removeprefix(_BRANCH)
    if branch in {payload.ref, ""}:
        return _unused(delivery_id, "only pushes to branches count")
    # GitHub documents the sender of a push as optional. Id 0 is nobody's: such an actor never has a permission.
    sender = payload.sender
    return BranchPushed(
        delivery_id=delivery_id,
        repository=_repository(app, payload.repository, payload.installation),
        branch=branch,
        before=payload.before,
        after=payload.after,
        actor=_actor(sender) if sender is not None else Actor(id=0, login=payload.pusher.name),
    )


def _ping(delivery_id: str, document: object, _app: _App) -> Event:
    _read(document, payloads.Ping)
    return Pinged(delivery_id=delivery_id)


def _installation(delivery_id: str, document: object, app: _App) -> Event:
    payload = _read(document, payloads.Installation)
    if payload.action not in frozenset(InstallationAction) - {InstallationAction.REPOSITORIES_CHANGED}:
        return _unused(delivery_id, "nothing the bot keeps of an installation changed")
    return _installation_changed(delivery_id, payload.installation, InstallationAction(payload.action), app)


def _installation_repositories(delivery_id: str, document: object, app: _App) -> Event:
    installation = _read(document, payloads.Installation).installation
    return _installation_changed(delivery_id, installation, InstallationAction.REPOSITORIES_CHANGED, app)


def _installation_changed(
    delivery_id: str,
    installation: payloads.InstallationState,
    action: InstallationAction,
    app: _App,
) -> Event:
    if installation.app_id != app.id:
        return _unused(delivery_id, "the installation is of another App")
    account = installation.account or payloads.Account()
    return InstallationChanged(
        delivery_id=delivery_id,
        forge=app.forge,
        installation_id=installation.id,
        account=account.login or account.slug or "",
        action=action,
    )


_Decoder = Callable[[str, object, _App], Event]

_DECODERS: Final[Mapping[str, _Decoder]] = MappingProxyType(
    {
        "issue_comment": _comment,
        "pull_request": _pull_request,
        "issues": _issue,
        "check_run": _check_run,
        "push": _push,
        "ping": _ping,
        "installation": _installation,
        "installation_repositories": _installation_repositories,
    },
)

DECODED_EVENTS: Final = frozenset(_DECODERS)
"""GitHub's names of the events the bot makes use of."""

UNSUBSCRIBED_EVENTS: Final = frozenset({"ping", "installation", "installation_repositories"})
"""Those of ``DECODED_EVENTS`` that every App is sent without asking, and that a manifest therefore cannot ask for.

Source: https://docs.github.com/en/webhooks/webhook-events-and-payloads#installation
"""


def _unused(delivery_id: str, reason: str) -> Unused:
    return Unused(delivery_id=delivery_id, reason=reason)


def _actor(user: payloads.User) -> Actor:
    return Actor(id=user.id, login=user.login, kind=ActorKind.BOT if user.type == "Bot" else ActorKind.USER)


def _repository(app: _App, repository: payloads.Repository, installation: payloads.InstallationId) -> RepositoryRef:
    owner, _, name = repository.full_name.partition("/")
    return RepositoryRef(
        forge=app.forge,
        id=repository.id,
        owner=owner,
        name=name,
        installation_id=installation.id,
    )


def _read(document: object, type_: type[_Payload]) -> _Payload:
    return strict.read(document, type_, product="GitHub")
