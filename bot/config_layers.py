"""One configuration out of several files: what an organisation says for all, and what a repository says for itself.

A repository decides for itself, except where that would take a protection away: of such a key the stricter value
counts, whichever file says it. Nothing of it is an error, so an organisation may tighten what repositories said before.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import msgspec

from bot.config import Layer, contradiction, parse_layer
from bot.config_keys import CONFIG_PATH, DEFAULT_CONFIG, PathTier, RepositoryConfig
from bot.errors import ConfigError
from bot.model.forge import ConfigFile, PermissionLevel
from bot.model.text import code_span

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stricter:
    """How two files agree on a protection: ``combine`` takes the outer and the inner value; ``says`` is for people."""

    combine: Callable[[Any, Any], Any]
    says: str


def _union(outer: Sequence[_T], inner: Sequence[_T]) -> tuple[_T, ...]:
    return (*outer, *(each for each in inner if each not in outer))


def _higher(outer: str, inner: str) -> str:
    return max(outer, inner, key=lambda name: PermissionLevel[name.upper()])


_LOWER: Final = Stricter(combine=min, says="The lower value counts.")
_ONLY_IF_ALL: Final = Stricter(combine=lambda outer, inner: outer and inner, says="`false` counts, whoever says it.")
_IF_ANY: Final = Stricter(combine=lambda outer, inner: outer or inner, says="`true` counts, whoever says it.")
_ADD_UP: Final = Stricter(combine=_union, says="They add up.")
_HIGHER: Final = Stricter(combine=max, says="The higher value counts.")
_TIERS: Final = Stricter(
    combine=_union,
    says="They add up. Where the organisation says anything of `paths`, `approvals` or `permissions.approve`, an "
    "`auto` of a repository is `approve`.",
)
_RAISED: Final = Stricter(combine=_higher, says="The higher level counts.")

_LESS_TRUST: Final = Stricter(
    combine=lambda outer, inner: min(outer, inner, key=("off", "ask", "allow").index),
    says="`off` counts before `ask`, and `ask` before `allow`.",
)

_QUIETER: Final = Stricter(
    combine=lambda outer, inner: min(outer, inner, key=("off", "report", "resolve").index),
    says="`off` counts before `report`, and `report` before `resolve`.",
)
_NOTHING: Final = Stricter(
    combine=lambda outer, inner: min(outer, inner, key=("nothing", "fix").index),
    says="`nothing` counts, whoever says it.",
)


def _named_by_both(outer: Sequence[str], inner: Sequence[str]) -> tuple[str, ...]:
    """Logins that both name, with or without ``[bot]`` and in any case."""
    named = {login.casefold().removesuffix("[bot]") for login in inner}
    return tuple(login for login in outer if login.casefold().removesuffix("[bot]") in named)


_COMMON: Final = Stricter(combine=_named_by_both, says="Those count that both name.")
_OUTER: Final = Stricter(
    combine=lambda outer, inner: outer or inner,
    says="The organisation's counts where it also says `tests_must_pass: true`, else the repository's.",
)

PROTECTIONS: Final[Mapping[str, Stricter]] = {
    "enabled": _ONLY_IF_ALL,
    "paused": _IF_ANY,
    "permissions": _RAISED,
    "bots": _COMMON,
    "budget_usd": _LOWER,
    "timeout_minutes": _LOWER,
    "max_conflicted_files": _LOWER,
    "protected_paths": _ADD_UP,
    "paths": _TIERS,
    "approvals.required": _HIGHER,
    "approvals.requester_may_approve": _ONLY_IF_ALL,
    "approvals.codeowners": _IF_ANY,
    "resolvers.direct": _ONLY_IF_ALL,
    "resolvers.agent": _ONLY_IF_ALL,
    "test_command": _OUTER,
    "tests_must_pass": _IF_ANY,
    "on_conflict": _QUIETER,
    "on_check_failure": _NOTHING,
    "fork_pull_requests": _LESS_TRUST,
    "quiet_hours": _ADD_UP,
}
"""The keys, dotted, whose stricter value counts; a mapping stands for all of its keys. Of others the inner counts."""


SOURCE_ROOM: Final = 300
"""Characters in which the places that decided a key are named; groups nest, and the line stands at the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """What holds, and where it was said: ``sources`` names the files and lines by key.

    A source is ``path:line``, or several of these with commas between them; a key without one has its default.
    """

    config: RepositoryConfig = DEFAULT_CONFIG
    sources: Mapping[str, str] = field(default_factory=dict)

    def source(self, key: str) -> str | None:
        """The file and the line, or those of several files, that decided a key."""
        return self.sources.get(key)

    def said_in(self, key: str) -> str:
        """Where a key was decided, as people are told of it; for a default, where a repository would say it."""
        return code_span(self.sources.get(key, CONFIG_PATH), limit=SOURCE_ROOM)


_ABOUT_APPROVAL: Final = ("paths", "approvals.", "permissions.approve")


def _asked_for(entry: PathTier) -> PathTier:
    """What a repository may not push unasked where somebody else says what has to be asked."""
    return msgspec.structs.replace(entry, tier="approve") if entry.tier == "auto" else entry


def merge(outer: Effective, inner: Layer) -> Effective:
    """What holds when one more file is read after others that bind it."""
    config, sources = outer.config, dict(outer.sources)
    for key in sorted(inner.stated):
        said, place = value_of(inner.config, key), f"{inner.path}:{inner.line_of(key)}"
        if key == "paths" and any(each.startswith(_ABOUT_APPROVAL) for each in outer.sources):
            said = tuple(_asked_for(entry) for entry in said)
        if key not in sources:
            config, sources[key] = _with(config, key.split("."), said), place
            continue
        before = value_of(config, key)
        rule = protection(key)
        if key == "test_command" and not outer.config.tests_must_pass:
            rule = None  # whoever does not hold to the tests does not care which they are
        both = said if rule is None else rule.combine(before, said)
        config = _with(config, key.split("."), both)
        if both == said and (rule is None or both != before):
            sources[key] = place
        elif both != before:
            sources[key] = f"{sources[key]}, {place}"
    return Effective(config=config, sources=sources)


def read_layers(files: Sequence[ConfigFile]) -> Effective:
    """Read files, the outermost first; none of them means the defaults.

    Raises:
        ConfigError: a file is invalid, which it names, or they do not go together.
    """
    whole, last = Effective(), None
    for file in files:
        last = parse_layer(file.data, path=file.path)
        whole = merge(whole, last)
    fault = contradiction(whole.config)
    if fault is None:
        return whole
    message, where = fault
    key = str(where[0])
    if last is not None and key in last.stated:
        raise last.error(message, where)
    path = CONFIG_PATH if last is None else last.path
    raise ConfigError(f"{message} It stands in {whole.source(key)}.", path=path, key=key)


def protection(key: str) -> Stricter | None:
    """How files agree on a key, None where the inner file just decides."""
    return PROTECTIONS.get(key) or PROTECTIONS.get(key.partition(".")[0])


def all_keys(config: RepositoryConfig = DEFAULT_CONFIG) -> list[str]:
    """All keys, dotted, in the order in which they are declared; without mappings of keys."""
    found: list[str] = []
    for name in config.__struct_fields__:
        value = getattr(config, name)
        inner = value.__struct_fields__ if isinstance(value, msgspec.Struct) else ()
        found += [f"{name}.{key}" for key in inner] or [name]
    return found


def value_of(config: RepositoryConfig, key: str) -> Any:
    """The value of a dotted key."""
    value: Any = config
    for name in key.split("."):
        value = getattr(value, name)
    return value


def _with(struct: Any, names: Sequence[str], value: Any) -> Any:
    first, *rest = names
    return msgspec.structs.replace(struct, **{first: _with(getattr(struct, first), rest, value) if rest else value})


_LAYERED: Final = "%flowforge-layers\n"
_BEGUN: Final = f"{_LAYERED}["
"""How the kept text of several files begins; no valid file begins so: a document after a directive begins with ``---``.

https://yaml.org/spec/1.2.2/#912-document-markers
"""


def kept_text(files: Sequence[ConfigFile]) -> str:
    """All files as one text, to be kept under its hash; of a repository's own file alone, that file."""
    if not files:
        return ""
    texts = [{"path": file.path, "text": file.data.decode("utf-8", "replace")} for file in files]
    if [file.path for file in files] == [CONFIG_PATH]:
        return texts[0]["text"]
    return _LAYERED + json.dumps(texts, ensure_ascii=False)


def kept_files(text: str) -> list[ConfigFile]:
    """The files of a kept text."""
    if not text:
        return []
    if not text.startswith(_BEGUN):
        return [ConfigFile(path=CONFIG_PATH, data=text.encode())]
    return [
        ConfigFile(path=each["path"], data=each["text"].encode()) for each in json.loads(text.removeprefix(_LAYERED))
    ]
