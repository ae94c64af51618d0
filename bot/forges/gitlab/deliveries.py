"""Webhook deliveries: are they from GitLab, and what do they say?

Everything here is free of I/O. That a delivery is authentic tells who wrote it; a token in a header does not even tell
that of the body. What it says is a hint, and state is read from the API.
"""

import base64
import binascii
import hashlib
import hmac
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final, TypeVar

import msgspec

from bot.errors import SettingsError
from bot.forges import strict
from bot.forges.gitlab import payloads
from bot.forges.gitlab.quick import as_written
from bot.forges.gitlab.secrets import may_tell, read_secret
from bot.model.deliveries import Delivery
from bot.model.events import (
    Assigned,
    BranchPushed,
    CheckFailed,
    CommentPosted,
    Event,
    LabelAdded,
    PullRequestAction,
    PullRequestChanged,
    Reacted,
    Unused,
)
from bot.model.forge import Actor, ActorKind, RepositoryRef
from bot.model.work import SeenText
from bot.ports.system import Clock

MAX_SECRETS: Final = 64
"""Every delivery is held against all of them."""

MIN_SECRET_BYTES: Final = 16

SIGNING_PREFIX: Final = "whsec_"
"""What a signing token begins with; the rest is the key in base64.

https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

TOLERANCE: Final = 300
"""Seconds by which the time in a signed delivery may differ from ours."""

MOST_SIGNATURES: Final = 8
"""One delivery may carry several, while a signing token is changed."""

_SIGNATURE_HEADERS: Final = ("webhook-id", "webhook-timestamp", "webhook-signature")
_SIGNATURE: Final = re.compile(r"v1,([A-Za-z0-9+/]{43}=)")
_TIMESTAMP: Final = re.compile(r"[0-9]{1,12}")
_DELIVERY_ID: Final = re.compile(r"[A-Za-z0-9_-]{8,47}")
_EVENT: Final = re.compile(r"[A-Za-z]+(?: [A-Za-z]+){0,4}")
_BRANCH: Final = "refs/heads/"

# Project and group access tokens, and service accounts that were given no name of their own:
# https://docs.gitlab.com/user/project/settings/project_access_tokens/#bot-users-for-projects
_BOT: Final = re.compile(r"(?:project|group)_[0-9]+_bot(?:_?[0-9a-f]+)?|service_account_.+")

_CONFIDENTIAL: Final = "the issue is confidential, and a merge request made of it would be public"

FAILED: Final = "failed"
"""A state of pipelines and of statuses: https://docs.gitlab.com/ci/pipelines/#pipeline-statuses ."""

_TEST: Final = "somebody has GitLab tell again of what another person did"
"""Who tests a hook gets it sent the newest comment or emoji of the project, whoever's it is, with oneself as the user.

https://docs.gitlab.com/user/project/integrations/webhooks/#test-a-webhook
"""

_Payload = TypeVar("_Payload", bound=msgspec.Struct)


class SignatureVerifier:
    """Tells GitLab's deliveries from all others, by signing tokens and by secret tokens."""

    def __init__(self, secrets: Sequence[bytes], *, clock: Clock) -> None:
        """Keep the secrets, as ``read_secret`` reads them: those that begin with ``whsec_`` are signing tokens, too.

        Raises:
            SettingsError: there is none, there are more than 64, one has fewer than 16 bytes, or is no signing token
                although it begins like one.
        """
        if not 1 <= len(secrets) <= MAX_SECRETS:
            raise SettingsError(f"one webhook secret for GitLab is needed, {MAX_SECRETS} at most; got {len(secrets)}")
        self._secrets = tuple(map(read_secret, secrets))
        if any(len(secret.value) < MIN_SECRET_BYTES for secret in self._secrets):
            raise SettingsError(f"a webhook secret for GitLab must have at least {MIN_SECRET_BYTES} bytes")
        prefix = SIGNING_PREFIX.encode()
        signing = (secret for secret in self._secrets if secret.value.startswith(prefix))
        self._keys = tuple((secret, _signing_key(secret.value)) for secret in signing)
        self._clock = clock

    def verify(self, headers: Mapping[str, str], body: bytes) -> bool:
        """Whether the request with these headers (by lower-case names) and this raw body came from GitLab.

        Where one header of a signature is there, only a signature will do: a token in clear text makes up for none.
        Every secret is tried, each in constant time, so that the time taken tells nothing about which one fits. Never
        raises.

        Sources: https://docs.gitlab.com/user/project/integrations/webhooks/ ,
        https://gitlab.com/gitlab-org/gitlab/-/merge_requests/230944
        """
        if any(name in headers for name in _SIGNATURE_HEADERS):
            return self._is_signed(headers, body)
        claimed = headers.get("x-gitlab-token", "").encode("utf-8", "surrogatepass")
        verdicts = [hmac.compare_digest(secret.value, claimed) for secret in self._secrets]
        return may_tell(itertools.compress(self._secrets, verdicts), body)

    def _is_signed(self, headers: Mapping[str, str], body: bytes) -> bool:
        message_id, timestamp, signatures = (headers.get(name, "") for name in _SIGNATURE_HEADERS)
        if _DELIVERY_ID.fullmatch(message_id) is None or _TIMESTAMP.fullmatch(timestamp) is None:
            return False
        if abs(self._clock.now().timestamp() - int(timestamp)) > TOLERANCE:
            return False
        found = [_SIGNATURE.fullmatch(one) for one in signatures.split(" ")[:MOST_SIGNATURES]]
        claimed = [match[1].encode("ascii") for match in found if match is not None]
        signed = f"{message_id}.{timestamp}.".encode("ascii") + body
        right = [(secret, base64.b64encode(hmac.digest(key, signed, "sha256"))) for secret, key in self._keys]
        verdicts = [(secret, hmac.compare_digest(one, other)) for secret, one in right for other in claimed]
        return may_tell((secret for secret, fits in verdicts if fits), body)


def identify(headers: Mapping[str, str], body: bytes) -> tuple[str, str] | None:
    """The id and the event of a delivery, None where a header is missing or malformed.

    The event is ``X-Gitlab-Event`` in small letters with underscores: ``note_hook``. The id is the same however often
    GitLab sends a delivery: ``webhook-id`` of a signed one, else ``Idempotency-Key`` (both are the same since GitLab
    17.4). Older versions send ``X-Gitlab-Event-UUID`` alone, which several events of one request share; the body's
    digest tells those apart.

    https://docs.gitlab.com/user/project/integrations/webhooks/#delivery-headers
    """
    event = headers.get("x-gitlab-event", "")
    if _EVENT.fullmatch(event) is None:
        return None
    unique = headers.get("webhook-id") or headers.get("idempotency-key")
    shared = headers.get("x-gitlab-event-uuid")
    if _DELIVERY_ID.fullmatch(unique or shared or "") is None:
        return None
    delivery_id = unique or f"{shared}-{hashlib.sha256(body).hexdigest()[:16]}"
    return delivery_id, event.lower().replace(" ", "_")


class DeliveryDecoder:
    """Turns verified deliveries into events."""

    def decode(self, delivery: Delivery) -> Event:
        """The event that a delivery tells of, ``Unused`` when the bot has no use for it.

        Raises:
            PayloadError: the body is not what GitLab documents; the message quotes nothing of it.
        """
        decoder = _DECODERS.get(delivery.event)
        if decoder is None and delivery.event != SYSTEM_HOOK:
            return _unused(delivery, "events of this kind are not used")
        document = strict.parse(delivery.body)
        if decoder is None:
            decoder = _SYSTEM.get(_read(document, payloads.Kind).object_kind)
        if decoder is None:
            return _unused(delivery, "system events of this kind are not used")
        return decoder(delivery, document)


def _note(delivery: Delivery, document: object) -> Event:
    payload = _read(document, payloads.NoteEvent)
    note = payload.object_attributes
    issue = note.noteable_type == "Issue"
    numbered = {"MergeRequest": payload.merge_request, "Issue": payload.issue}.get(note.noteable_type or "")
    if numbered is None:
        return _unused(delivery, "only comments under merge requests and issues count")
    if (reason := _asks_nothing(payload, numbered)) is not None:
        return _unused(delivery, reason)
    return CommentPosted(
        delivery_id=delivery.delivery_id,
        repository=_repository(delivery, payload.project),
        number=numbered.iid,
        on_pull_request=not issue,
        comment_id=note.id,
        body=note.note,
        actor=_actor(payload.user),
        seen=SeenText(title=numbered.title, body=numbered.description or "", at=_moment(note.created_at)),
    )


def _asks_nothing(payload: payloads.NoteEvent, under: payloads.Numbered) -> str | None:
    """Why a comment is not obeyed, None where it may be."""
    note = payload.object_attributes
    if note.system:
        return "GitLab itself wrote the comment"
    if under.confidential:
        return _CONFIDENTIAL
    if note.internal or note.confidential:
        return "the comment is internal, and an answer would be public"
    if note.action != "create" and not (note.action is None and note.created_at == note.updated_at):
        # GitLab gives the new text only, so nobody can tell which of its commands the edit added, or were obeyed.
        return "only new comments count: what an edit added, GitLab does not say"
    if note.author_id not in {None, payload.user.id}:
        return _TEST
    return None


def _moment(text: str) -> datetime | None:
    """When something happened: GitLab writes it as RFC 3339, or with a space and ``UTC``. None for anything else."""
    try:
        moment = datetime.fromisoformat(text.strip().replace(" UTC", "+00:00"))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None


_EMOJI_ACTIONS: Final[Mapping[str, bool]] = MappingProxyType({"award": False, "revoke": True})
"""Whether the emoji was taken back: https://docs.gitlab.com/user/project/integrations/webhook_events/#emoji-events ."""


def _stood(award: payloads.Award, note: payloads.AwardedNote) -> timedelta:
    """For how long a comment had been as it was when the emoji was put there; nothing, where GitLab does not say."""
    put, written = _moment(award.created_at), _moment(note.updated_at)
    return timedelta(0) if put is None or written is None else put - written


def _emoji(delivery: Delivery, document: object) -> Event:
    payload = _read(document, payloads.EmojiEvent)
    note, award = payload.note, payload.object_attributes
    action = award.action or payload.event_type
    if action not in _EMOJI_ACTIONS:
        return _unused(delivery, "an emoji is put under a comment, or taken back")
    if award.user_id not in {None, payload.user.id}:
        return _unused(delivery, _TEST)
    if note is None or payload.merge_request is None or note.noteable_type != "MergeRequest":
        return _unused(delivery, "only emoji under comments of merge requests count")
    if note.system or note.internal or note.confidential:
        return _unused(delivery, "the comment is none that everybody sees")
    return Reacted(
        delivery_id=delivery.delivery_id,
        repository=_repository(delivery, payload.project),
        number=payload.merge_request.iid,
        on_pull_request=True,
        comment_id=note.id,
        author_id=note.author_id,
        body=as_written(note.note),
        reaction_id=award.id,
        reaction=award.name,
        actor=_actor(payload.user),
        taken_back=_EMOJI_ACTIONS[action],
        body_stood=_stood(award, note),
    )


def _merge_request(delivery: Delivery, document: object) -> Event:
    payload = _read(document, payloads.MergeRequestEvent)
    told = payload.object_attributes
    if told.target_project_id != payload.project.id:
        return _unused(delivery, "the merge request is for another project")
    action = _merge_request_action(told, payload.changes)
    marked = _marked(delivery, payload, on_pull_request=True, base_ref=told.target_branch)
    if marked is not None and action is PullRequestAction.OTHER:
        return marked
    if told.last_commit is None:
        return marked or _unused(delivery, "the merge request has no commit")
    return PullRequestChanged(
        delivery_id=delivery.delivery_id,
        repository=_repository(delivery, payload.project),
        number=told.iid,
        action=action,
        head_sha=told.last_commit.id,
        base_ref=told.target_branch,
        actor=_actor(payload.user),
        open=told.state in OPEN_STATES,
        updated_at=payloads.moment(told.updated_at),
        marked=marked,
    )


def _issue(delivery: Delivery, document: object) -> Event:
    payload = _read(document, payloads.IssueEvent)
    base_ref = payload.project.default_branch
    if base_ref is None:
        return _unused(delivery, "the project has no branch")
    if payload.object_attributes.confidential:
        return _unused(delivery, _CONFIDENTIAL)
    marked = _marked(delivery, payload, on_pull_request=False, base_ref=base_ref)
    return marked or _unused(delivery, "only labels and assignments count")


def _marked(
    delivery: Delivery,
    payload: payloads.MergeRequestEvent | payloads.IssueEvent,
    *,
    on_pull_request: bool,
    base_ref: str,
) -> LabelAdded | Assigned | None:
    """What was added of labels, else of assignees; one event may tell of several, and of both. None: nothing was.

    What is opened may have labels and assignees from the beginning: GitLab then tells of nothing but the opening, and
    of what is added later with what was there before.
    """
    told = payload.object_attributes
    changes: payloads.Marks = payload.changes
    if told.action == "open":
        changes = payloads.Marks(
            labels=payloads.Labels(current=payload.labels), assignees=payloads.Assignees(current=payload.assignees)
        )
    elif told.action != "update":
        return None
    labels = changes.labels.added()
    assignees = changes.assignees.added()
    if labels:
        return LabelAdded(
            delivery_id=delivery.delivery_id,
            repository=_repository(delivery, payload.project),
            number=told.iid,
            on_pull_request=on_pull_request,
            label=labels[0],
            more=tuple(labels[1:]),
            assignees=tuple(_actor(user) for user in assignees),
            title=told.title,
            body=told.description or "",
            base_ref=base_ref,
            actor=_actor(payload.user),
        )
    if assignees:
        return Assigned(
            delivery_id=delivery.delivery_id,
            repository=_repository(delivery, payload.project),
            number=told.iid,
            on_pull_request=on_pull_request,
            assignee=_actor(assignees[0]),
            more=tuple(_actor(user) for user in assignees[1:]),
            title=told.title,
            body=told.description or "",
            base_ref=base_ref,
            actor=_actor(payload.user),
        )
    return None


OPEN_STATES: Final = frozenset({"opened", "locked"})
"""A merge request is locked for the moment in which it is being merged; if that fails, it is open again.

https://docs.gitlab.com/api/merge_requests/#list-merge-requests
"""

_ACTIONS: Final[Mapping[str, PullRequestAction]] = MappingProxyType(
    {
        "open": PullRequestAction.OPENED,
        "reopen": PullRequestAction.REOPENED,
        "close": PullRequestAction.CLOSED,
        "merge": PullRequestAction.CLOSED,
    }
)


def _merge_request_action(
    told: payloads.MergeRequest,
    changes: payloads.MergeRequestChanges,
) -> PullRequestAction:
    if told.action != "update":
        return _ACTIONS.get(told.action or "", PullRequestAction.OTHER)
    if told.oldrev is not None:
        return PullRequestAction.HEAD_MOVED
    if changes.draft is not None and changes.draft.current is not None:
        return PullRequestAction.DRAFTED if changes.draft.current else PullRequestAction.READY
    if any(change is not None for change in (changes.title, changes.description, changes.target_branch)):
        return PullRequestAction.EDITED
    return PullRequestAction.OTHER


def _push(delivery: Delivery, document: object) -> Event:
    payload = _read(document, payloads.Push)
    branch = payload.ref.removeprefix(_BRANCH)
    if branch in {payload.ref, ""}:
        return _unused(delivery, "only pushes to branches count")
    return BranchPushed(
        delivery_id=delivery.delivery_id,
        repository=_repository(delivery, payload.project),
        branch=branch,
        before=payload.before,
        after=payload.after,
        actor=_pusher(payload),
    )


def _pipeline(delivery: Delivery, document: object) -> Event:
    """A pipeline failed, whose jobs and statuses are not told apart here: a failed status of ours fails it as well.

    Where a pipeline runs for a branch, GitLab names no merge request.
    """
    payload = _read(document, payloads.PipelineEvent)
    told, pull = payload.object_attributes, payload.merge_request
    if told.status != FAILED or told.tag:
        return _unused(delivery, "only pipelines of branches and merge requests that failed count")
    named = pull is not None and pull.target_project_id == payload.project.id
    return CheckFailed(
        delivery_id=delivery.delivery_id,
        repository=_repository(delivery, payload.project),
        head_sha=told.sha,
        pulls=((pull.iid, pull.target_branch),) if pull is not None and named else (),
    )


_Decoder = Callable[[Delivery, object], Event]

SYSTEM_HOOK: Final = "system_hook"
"""The event under which a whole instance tells of all its projects: https://docs.gitlab.com/administration/system_hooks/"""

_DECODERS: Final[Mapping[str, _Decoder]] = MappingProxyType(
    {
        "note_hook": _note,
        "merge_request_hook": _merge_request,
        "issue_hook": _issue,
        "push_hook": _push,
        "emoji_hook": _emoji,
        "pipeline_hook": _pipeline,
    },
)

_SYSTEM: Final[Mapping[str, _Decoder]] = MappingProxyType({"merge_request": _merge_request, "push": _push})
"""The project events that system hooks carry as well, by ``object_kind``."""

DECODED_EVENTS: Final = frozenset(_DECODERS) | {SYSTEM_HOOK}
"""The events the bot makes use of, as ``identify`` names them."""


def _unused(delivery: Delivery, reason: str) -> Unused:
    return Unused(delivery_id=delivery.delivery_id, reason=reason)


def actor_kind(username: str) -> ActorKind:
    """Whether a user of that name is a program, as far as a name tells.

    Users of access tokens have names of a fixed form. Who is called like one without being one is not listened to.
    """
    return ActorKind.BOT if _BOT.fullmatch(username) else ActorKind.USER


def _actor(user: payloads.User) -> Actor:
    return Actor(id=user.id, login=user.username, kind=actor_kind(user.username))


def _pusher(payload: payloads.Push) -> Actor:
    """Who pushed. A deploy key has no user: id 0 is nobody's, and such an actor never has a permission."""
    login = (payload.user_username or "ghost")[:255]
    return Actor(id=payload.user_id or 0, login=login, kind=actor_kind(login))


def _repository(delivery: Delivery, project: payloads.Project) -> RepositoryRef:
    """The project. GitLab has no installations: all that one token serves is one, and the forge's name says which."""
    owner, _, name = project.path_with_namespace.rpartition("/")
    return RepositoryRef(forge=delivery.forge, id=project.id, owner=owner, name=name, installation_id=0)


def _signing_key(secret: bytes) -> bytes:
    try:
        key = base64.b64decode(secret.removeprefix(SIGNING_PREFIX.encode()), validate=True)
    except binascii.Error:
        raise SettingsError("a signing token for GitLab is whsec_ and a key in base64") from None
    if len(key) < MIN_SECRET_BYTES:
        raise SettingsError(f"the key of a signing token for GitLab must have at least {MIN_SECRET_BYTES} bytes")
    return key


def _read(document: object, type_: type[_Payload]) -> _Payload:
    return strict.read(document, type_, product="GitLab")
