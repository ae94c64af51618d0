"""The configuration that holds, for people to read: each key, its value, and the file that says so."""

from typing import Any, Final

import msgspec

from bot.config_keys import CONFIG_PATH, WHERE_SHARED
from bot.config_layers import Effective, all_keys, value_of
from bot.model.forge import ThreadKind
from bot.report.markdown import code, escape_pipes
from bot.report.sections import joined

_VALUE_ROOM: Final = 400

DEFAULT: Final = "default"
PULL_REQUEST: Final = "This holds for the pull request's base branch now."
ISSUE: Final = "This holds for issues now: the repository's file is that of its default branch."
POINTER: Final = (
    f"A repository says it in `{CONFIG_PATH}` at its root, an organisation or group for all of its repositories. "
    f"{WHERE_SHARED} Paths that are always protected are not listed."
)
UNBOUND: Final = (
    "No file of an organisation or a group binds this repository: there is none, or FlowForge may not see it. The "
    "forge does not tell which."
)
REQUIRED: Final = "This server demands one, so nothing begins here."


def written(value: object) -> str:
    """A value in one line, as it may stand in a file: JSON is YAML."""
    return msgspec.json.encode(value).decode("utf-8")


def rows(effective: Effective) -> list[tuple[str, Any, str]]:
    """Each key with its value as plain data, and the files and lines that decided it; empty where nobody did."""
    values = {key: msgspec.to_builtins(value_of(effective.config, key)) for key in all_keys()}
    return [(key, value, effective.source(key) or "") for key, value in values.items()]


def render_config(
    effective: Effective, thread: ThreadKind = ThreadKind.PULL, *, bound: bool = True, required: bool = False
) -> str:
    """The text that answers ``config``, for ``bot.report.reply.render_reply``.

    ``bound`` says that a file of an organisation or a group was read, ``required`` that nothing begins without one.
    """
    table = ["| Key | Value | Where from |", "|---|---|---|"]
    for key, value, source in rows(effective):
        where = escape_pipes(code(source)) if source else DEFAULT
        table.append(f"| {code(key)} | {escape_pipes(code(written(value), _VALUE_ROOM))} | {where} |")
    return joined(
        [
            PULL_REQUEST if thread is ThreadKind.PULL else ISSUE,
            "\n".join(table),
            _told(bound=bound, required=required),
            POINTER,
        ]
    )


def _told(*, bound: bool, required: bool) -> str:
    """What people would otherwise take for granted: the forge does not tell an absent file from a hidden one."""
    if bound:
        return ""
    return f"{UNBOUND} {REQUIRED}" if required else UNBOUND
