"""Setting FlowForge up in a project or a group: its webhook, which is made or brought up to date, and its labels.

Everything here may be done again: what is there already is found by its address or name, and not made twice.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

from msgspec import Struct

from bot.errors import ForgeError, ForgeNotFoundError, ForgeRefusedError
from bot.forges.gitlab.client import GitLabClient, encoded
from bot.forges.gitlab.deliveries import DECODED_EVENTS, SIGNING_PREFIX

EVENT_FLAGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "emoji_hook": "emoji_events",
        "issue_hook": "issues_events",
        "merge_request_hook": "merge_requests_events",
        "note_hook": "note_events",
        "pipeline_hook": "pipeline_events",
        "push_hook": "push_events",
    }
)
"""What a hook is told to send, by the event that comes of it.

https://docs.gitlab.com/api/project_webhooks/#add-a-webhook-to-a-project
"""

WANTED: Final = tuple(sorted(flag for event, flag in EVENT_FLAGS.items() if event in DECODED_EVENTS))
"""The events that the bot makes use of, and that a hook therefore sends."""

_NAME: Final = "FlowForge"
_COLOR: Final = "#6699cc"
_ABOUT: Final = "Asks FlowForge to work on this"
_TEST: Final = "push_events"
_UNPROCESSABLE: Final = 422


class Place(StrEnum):
    """What a hook belongs to; the value is its part of the API's paths."""

    PROJECT = "projects"
    GROUP = "groups"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A project or a group, as GitLab knows it."""

    place: Place
    id: int
    full_path: str

    @property
    def path(self) -> str:
        """Its place in the API."""
        return f"/{self.place.value}/{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class HookFacts:
    """A hook that leads to us.

    Attributes:
        id: its number.
        lacking: events that the bot needs and that it does not send.
        signed: whether its deliveries are signed; otherwise they carry the secret in a header.
        secret: whether it has any secret, None where this GitLab does not say.
        verifies_tls: whether GitLab looks at our certificate.
        off: whether GitLab stopped sending after failures.
    """

    id: int
    lacking: tuple[str, ...]
    signed: bool
    secret: bool | None
    verifies_tls: bool
    off: bool


class _Found(Struct, frozen=True):
    id: int
    path_with_namespace: str = ""
    full_path: str = ""


class _Label(Struct, frozen=True):
    name: str


class _Told(Struct, frozen=True):
    pass


async def find_target(client: GitLabClient, path: str) -> Target:
    """The project of that path or number, or else the group.

    Raises:
        ForgeNotFoundError: there is neither, or the token may not see it.
        ForgeUnavailableError: GitLab is away.
        ForgeRefusedError: GitLab says no.
    """
    name = encoded(path.strip("/"))
    for place in Place:
        try:
            found = await client.get(f"/{place.value}/{name}", _Found)
        except ForgeNotFoundError:
            continue
        return Target(place=place, id=found.id, full_path=found.path_with_namespace or found.full_path)
    raise ForgeNotFoundError(f"there is no project and no group {path!r} that the token's user may see")


async def find_hook(client: GitLabClient, target: Target, address: str) -> HookFacts | None:
    """The hook that leads to ``address``, None where there is none. Raises as the client does."""
    async for page in client.pages(f"{target.path}/hooks", list[dict[str, Any]]):
        for hook in page:
            if hook.get("url") == address:
                return _facts(hook)
    return None


async def write_hook(
    client: GitLabClient, target: Target, address: str, *, secret: str, there: HookFacts | None
) -> HookFacts:
    """Make the hook, or make the one that is there as it should be; it gets the secret anew in either case.

    With a secret that is a signing token, a GitLab that can sign does so and sends the secret nowhere. An older one
    ignores it; there the same secret goes as the token that each delivery shows.
    https://docs.gitlab.com/user/project/integrations/webhooks/#create-a-webhook

    Raises as the client does; a lost answer is not followed by a second try.
    """
    wanted = {flag: flag in WANTED for flag in EVENT_FLAGS.values()}
    data = {"url": address, "name": _NAME, "enable_ssl_verification": True, "token": secret, **wanted}
    if secret.startswith(SIGNING_PREFIX):
        data["signing_token"] = secret
    if there is None:
        made = await client.send("post", f"{target.path}/hooks", dict[str, Any], data=data, idempotent=False)
    else:
        url = f"{target.path}/hooks/{there.id}"
        made = await client.send("put", url, dict[str, Any], data=data, idempotent=True)
    facts = _facts(made)
    if facts.signed:
        url = f"{target.path}/hooks/{facts.id}"
        data["token"] = ""  # whoever sees a delivery shall not see what it is signed with
        facts = _facts(await client.send("put", url, dict[str, Any], data=data, idempotent=True))
    return facts


async def try_hook(client: GitLabClient, target: Target, hook: HookFacts) -> str | None:
    """Let GitLab send a test through the hook: None where our answer was good, else GitLab's words.

    A good answer also turns a hook on again that GitLab had turned off.
    https://docs.gitlab.com/api/project_webhooks/#trigger-a-test-project-webhook

    Raises as the client does.
    """
    try:
        await client.send("post", f"{target.path}/hooks/{hook.id}/test/{_TEST}", _Told, data={}, idempotent=False)
    except ForgeRefusedError as error:
        if error.status != _UNPROCESSABLE:
            raise
        return str(error)
    return None


async def missing_labels(client: GitLabClient, target: Target, names: Iterable[str]) -> list[str]:
    """Those of ``names`` that are no label there. Raises as the client does."""
    known: set[str] = set()
    async for page in client.pages(f"{target.path}/labels", list[_Label]):
        known |= {label.name for label in page}
    return [name for name in names if name not in known]


async def create_label(client: GitLabClient, target: Target, name: str) -> None:
    """Make a label. Raises as the client does."""
    data = {"name": name, "color": _COLOR, "description": _ABOUT}
    await client.send("post", f"{target.path}/labels", _Told, data=data, idempotent=False)


def is_denied(error: ForgeError) -> bool:
    """Whether somebody with more rights could do what was refused: GitLab hides some of what it refuses."""
    if isinstance(error, ForgeRefusedError):
        return error.status in {401, 403}
    return isinstance(error, ForgeNotFoundError)


def _facts(hook: Mapping[str, Any]) -> HookFacts:
    """A hook as GitLab describes it; what an older one does not tell is left open."""
    signed = hook.get("signing_token_present") is True
    plain = hook.get("token_present")
    return HookFacts(
        id=int(hook["id"]),
        lacking=tuple(flag for flag in WANTED if hook.get(flag) is not True),
        signed=signed,
        secret=None if plain is None and not signed else signed or plain is True,
        verifies_tls=hook.get("enable_ssl_verification") is not False,
        off=hook.get("alert_status", "executable") != "executable",
    )
