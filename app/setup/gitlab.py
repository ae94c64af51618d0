"""Setting FlowForge up in a project or group of GitLab, as a list of checks that says what is and what is missing."""

import base64
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from app.doctor.model import Check, failed, ok, skipped, warning
from app.setup.keeping import Keeper, Kept
from bot.config_keys import SHARED_PATH
from bot.errors import ForgeError, ForgeNotFoundError, SettingsError
from bot.forges.gitlab import files, setup
from bot.forges.gitlab.client import GitLabClient
from bot.forges.gitlab.deliveries import SIGNING_PREFIX

HOOKS_PATH: Final = "/webhooks/"
"""Where the web service takes deliveries; a forge's name follows."""

SECRETS: Final = "flowforge_gitlab_webhook_secrets"

TARGET: Final = "target"
HOOK: Final = "webhook"
DELIVERY: Final = "delivery"
LABELS: Final = "labels"
GROUP_FILE: Final = "group file"

_KEY_BYTES: Final = 32
"""https://docs.gitlab.com/user/project/integrations/webhooks/#create-a-webhook"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be there.

    Attributes:
        path: of the project or group, or its number.
        address: where the hook leads.
        labels: the names of the labels.
        secret: what deliveries are known by, None where there is none yet.
        bound: secrets of single projects, by the projects' numbers.
    """

    path: str
    address: str
    labels: Sequence[str]
    secret: str | None
    bound: Mapping[int, str] = field(default_factory=dict)


async def look(client: GitLabClient, wish: Wish) -> list[Check]:
    """What is there, without changing anything but for a test delivery."""
    return await _Work(client, wish, None, change=False).checks()


async def set_up(client: GitLabClient, wish: Wish, keeper: Keeper | None) -> list[Check]:
    """Make what is missing, then say what is there. A new secret is kept by ``keeper`` before GitLab knows it.

    The keeper may be None where the secret is known.

    Raises:
        SettingsError: the secret could not be kept; nothing was changed at GitLab.
    """
    return await _Work(client, wish, keeper, change=True).checks()


def new_secret() -> str:
    """A signing token as GitLab takes it."""
    return SIGNING_PREFIX + base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode("ascii")


class _Work:
    """One pass."""

    def __init__(self, client: GitLabClient, wish: Wish, keeper: Keeper | None, *, change: bool) -> None:
        self._client = client
        self._wish = wish
        self._keeper = keeper
        self._change = change

    async def checks(self) -> list[Check]:
        try:
            target = await setup.find_target(self._client, self._wish.path)
        except ForgeError as error:
            todo = "See that the path is right, and that the token's user is a member there with the scope api."
            rest = (skipped(name, "it is not known where") for name in (HOOK, DELIVERY, LABELS, GROUP_FILE))
            return [failed(TARGET, str(error), todo), *rest]
        kind = "project" if target.place is setup.Place.PROJECT else "group"
        return [
            ok(TARGET, f"the {kind} {target.full_path}"),
            *await self._hook(target),
            await self._labels(target),
            await self._group_file(target),
        ]

    async def _hook(self, target: setup.Target) -> list[Check]:
        try:
            there = await setup.find_hook(self._client, target, self._wish.address)
            if self._change:
                there = await setup.write_hook(
                    self._client, target, self._wish.address, secret=await self._secret(target), there=there
                )
        except ForgeError as error:
            return [_refused(HOOK, target, error, what="webhooks"), skipped(DELIVERY, "there is no webhook")]
        if there is None:
            todo = "Run the command without --check, with a token that may see to webhooks."
            return [
                failed(HOOK, f"no webhook leads to {self._wish.address}", todo),
                skipped(DELIVERY, "there is no webhook"),
            ]
        return [_described(there), await self._delivery(target, there)]

    async def _secret(self, target: setup.Target) -> str:
        bound = self._wish.bound.get(target.id)
        if bound is not None and target.place is setup.Place.PROJECT:
            return bound
        if self._wish.secret is not None:
            return self._wish.secret
        if self._keeper is None:
            raise SettingsError("a webhook secret has to be kept, and it is not known where")
        made = new_secret()
        await self._keeper.check([SECRETS])
        await self._keeper.keep(Kept(plain={}, secret={SECRETS: made}))
        return made

    async def _delivery(self, target: setup.Target, there: setup.HookFacts) -> Check:
        try:
            trouble = await setup.try_hook(self._client, target, there)
        except ForgeError as error:
            return warning(DELIVERY, str(error), "Try again with --check; GitLab takes few tests a minute.")
        if trouble is None:
            return ok(DELIVERY, "GitLab sent a test, and the web service took it")
        return warning(
            DELIVERY,
            trouble,
            "See that the web service runs with this secret and is reached from GitLab, then run this with --check.",
        )

    async def _labels(self, target: setup.Target) -> Check:
        try:
            missing = await setup.missing_labels(self._client, target, self._wish.labels)
            if self._change:
                for name in missing:
                    await setup.create_label(self._client, target, name)
                missing = await setup.missing_labels(self._client, target, self._wish.labels)
        except ForgeError as error:
            return _refused(LABELS, target, error, what="labels")
        if missing:
            return failed(LABELS, f"there is no label {', '.join(missing)}", "Run the command without --check.")
        return ok(LABELS, f"there is {', '.join(self._wish.labels)}")

    async def _group_file(self, target: setup.Target) -> Check:
        """Whether a file of a group holds here: to us, one that the token may not see looks like none."""
        group = target.full_path
        if target.place is setup.Place.PROJECT:
            group = group.rpartition("/")[0]
        try:
            found = await files.group_config(self._client, group)
        except ForgeError as error:
            member = "Make the token's user a Reporter of the group's project, or more: a Guest reads no file there."
            return failed(GROUP_FILE, str(error), member if setup.is_denied(error) else "Try again.")
        if found:
            return ok(GROUP_FILE, f"what {', '.join(file.path for file in found)} says holds here")
        return warning(
            GROUP_FILE,
            f"no group says what holds here: there is no file {SHARED_PATH} in "
            f"{', '.join(files.group_projects(group))}, or the token may not see it, and GitLab does not tell which",
            "If a group is to say so, make that project before somebody else does, protect its default branch, and "
            "make the token's user a member of it.",
        )


def _described(there: setup.HookFacts) -> Check:
    again = "Run the command without --check."
    if there.lacking:
        return failed(HOOK, f"the webhook does not send {', '.join(there.lacking)}", again)
    if there.secret is False:
        return failed(HOOK, "the webhook has no secret, so no delivery is taken", again)
    if not there.verifies_tls:
        return failed(HOOK, "GitLab does not look at the certificate of the web service", again)
    if there.off:
        todo = "Mend what failed; the sweep then has GitLab send again, and so does this command."
        return warning(HOOK, "GitLab stopped sending after failures", todo)
    how = "signed" if there.signed else "with the secret in a header, since this GitLab does not sign"
    return ok(HOOK, f"the webhook sends all that is needed, {how}")


def _refused(name: str, target: setup.Target, error: ForgeError, *, what: str) -> Check:
    if not setup.is_denied(error):
        return failed(name, str(error), "Try again.")
    if target.place is setup.Place.GROUP and isinstance(error, ForgeNotFoundError):
        return failed(
            name,
            f"this GitLab shows no {what} of the group",
            "Webhooks of groups are part of GitLab Premium, and for Owners. Run the command for each project instead.",
        )
    role = "Owner" if target.place is setup.Place.GROUP else "Maintainer"
    return failed(
        name,
        f"the token may not see to {what}: {error}",
        f"Give its user the role {role} while this runs, or run it with the token of somebody who has it. "
        "FlowForge itself works with the role Developer.",
    )
