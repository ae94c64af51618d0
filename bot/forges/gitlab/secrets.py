"""Webhook secrets, and the projects that they may speak for."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from msgspec import Struct

from bot.errors import PayloadError
from bot.forges import strict
from bot.forges.gitlab.payloads import Id

_BOUND: Final = re.compile(rb"project:([1-9][0-9]{0,18}):(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class WebhookSecret:
    """A secret, and the number of the only project whose hook has it; None for one that many hooks have.

    Whoever learns a secret can tell of anything in its name. One that is bound opens the door for nothing but what
    happens in that project.
    """

    value: bytes = field(repr=False)
    project: int | None = None


def read_secret(text: bytes) -> WebhookSecret:
    """A secret as the settings have it: itself, or ``project:<number>:`` and then the secret."""
    bound = _BOUND.fullmatch(text)
    return WebhookSecret(text) if bound is None else WebhookSecret(bound[2], int(bound[1]))


def may_tell(fitting: Iterable[WebhookSecret], body: bytes) -> bool:
    """Whether one of the secrets that a delivery showed may speak for the project that its body is about."""
    projects = {secret.project for secret in fitting}
    if not projects or None in projects:
        return bool(projects)
    return _project(body) in projects


class _Named(Struct, frozen=True):
    id: Id


class _InProject(Struct, frozen=True):
    project: _Named


def _project(body: bytes) -> int | None:
    try:
        return strict.read(strict.parse(body), _InProject, product="GitLab").project.id
    except PayloadError:
        return None
