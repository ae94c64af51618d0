"""``.flowforge.yml``: what the people of a repository decide about the bot.

The file is read from the base branch only, so nobody configures the bot by opening a pull request. Its keys stand in
``bot.config_keys``. An unknown key is an error: a misspelt protection must not be silence.
"""

import difflib
import functools
import hashlib
import re
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, get_args

import msgspec

from bot.config_keys import BUILTIN_PROTECTED_PATHS, CONFIG_PATH, Regenerate, RepositoryConfig, TierName, split_command
from bot.config_schema import at, expectation, keys
from bot.config_yaml import Document, Path, dotted, read_yaml
from bot.errors import ConfigError
from bot.globs import matches
from bot.model.forge import PermissionLevel
from bot.model.text import code_span


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One valid file. ``stated`` are the keys that it holds, dotted, without those of mappings of keys."""

    path: str
    config: RepositoryConfig
    stated: frozenset[str]
    document: Document

    def error(self, message: str, where: Path) -> ConfigError:
        """What is wrong with the value at a place of this file."""
        return ConfigError(message, path=self.path, line=self.document.line_of(where), key=dotted(where))

    def line_of(self, key: str) -> int:
        """The line of a dotted key, or of what is around it."""
        return self.document.line_of(tuple(key.split(".")))


TIERS: Final[tuple[TierName, ...]] = get_args(TierName)
"""From the least strict to the strictest."""


def parse_layer(data: bytes, *, path: str = CONFIG_PATH) -> Layer:
    """Read one file by itself: what it lacks may stand in another one.

    Raises:
        ConfigError: with the line, the dotted key, and a sentence that says what is wrong and what is allowed.
    """
    document = read_yaml(data, file=path)
    if document.data is None:
        raise ConfigError("The file is empty. It has to say `version: 1`.", path=path, key="version")
    _refuse_unknown_keys(document.data, (), document, path)
    for key in _MAY_BE_OFF:
        if isinstance(document.data, dict) and document.data.get(key) is False:
            document.data[key] = "off"  # which YAML reads as a boolean
    try:
        config = msgspec.convert(document.data, RepositoryConfig)
    except msgspec.ValidationError as error:
        raise _explain(str(error), document, path) from error
    stated = frozenset(map(dotted, _stated(document.data, (), _schema())))
    layer = Layer(path=path, config=config, stated=stated, document=document)
    _check_commands(layer)
    _check_zones(layer)
    return layer


def parse_config(data: bytes, *, path: str = CONFIG_PATH) -> RepositoryConfig:
    """Read a configuration that consists of one file.

    Raises:
        ConfigError: see ``parse_layer``; or its keys do not go together.
    """
    layer = parse_layer(data, path=path)
    if (fault := contradiction(layer.config)) is not None:
        raise layer.error(*fault)
    return layer.config


def contradiction(config: RepositoryConfig) -> tuple[str, Path] | None:
    """Which keys of a whole configuration do not go together, and why; None when all do."""
    if config.tests_must_pass and config.test_command is None:
        message = (
            "`tests_must_pass` needs a `test_command`: without one nothing could ever be approved. Name the command, "
            "or take `tests_must_pass` out."
        )
        return message, ("tests_must_pass",)
    return None


def _stated(data: Any, path: Path, root: Mapping[str, Any]) -> Iterator[Path]:
    if path and not (isinstance(data, dict) and keys(root, path)):
        yield path
        return
    for key, value in data.items():
        yield from _stated(value, (*path, key), root)


def _check_commands(layer: Layer) -> None:
    config = layer.config
    commands: dict[Path, str] = {
        ("resolvers", "regenerate", index, "command"): entry.command
        for index, entry in enumerate(config.resolvers.regenerate)
    }
    if config.test_command is not None:
        commands["test_command",] = config.test_command
    for where, command in commands.items():
        try:
            split_command(command)
        except ValueError as error:
            raise layer.error(f"{code_span(dotted(where))} cannot be run: {error}.", where) from None


def _check_zones(layer: Layer) -> None:
    for index, entry in enumerate(layer.config.quiet_hours):
        try:
            zoneinfo.ZoneInfo(entry.timezone)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
            message = f"{code_span(entry.timezone)} is no time zone. Write one such as `Europe/Berlin`, or `UTC`."
            raise layer.error(message, ("quiet_hours", index, "timezone")) from None


def config_version(data: bytes) -> str:
    """The name of a version of the file: the SHA-256 of its bytes, in hexadecimal. An absent file is ``b""``."""
    return hashlib.sha256(data).hexdigest()


@functools.cache
def _schema() -> dict[str, Any]:
    """The schema to look things up in, which nobody changes."""
    return json_schema()


def json_schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the file."""
    schema = msgspec.json.schema(RepositoryConfig)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": CONFIG_PATH, **schema}


def level(config: RepositoryConfig, key: str) -> PermissionLevel:
    """The least permission that ``permissions.<key>`` asks for."""
    return PermissionLevel[getattr(config.permissions, key).upper()]


def listed_bot(config: RepositoryConfig, login: str) -> str | None:
    """The entry of ``bots`` that names ``login``, None when there is none; case and ``[bot]`` do not matter."""
    wanted = _plain_login(login)
    return next((entry for entry in config.bots if _plain_login(entry) == wanted), None)


def asking_for_ok(config: RepositoryConfig) -> RepositoryConfig:
    """The same configuration, by which somebody has to answer for each head of a fork."""
    return msgspec.structs.replace(config, fork_pull_requests="ask")


def regenerating(config: RepositoryConfig, path: str) -> Regenerate | None:
    """The first entry of ``resolvers.regenerate`` that covers a path, None when there is none."""
    return next((entry for entry in config.resolvers.regenerate if matches(path, entry.paths) is not None), None)


def protected_paths(config: RepositoryConfig) -> tuple[str, ...]:
    """All patterns that protect a path: the built-in ones, then the configured ones."""
    never = (entry.match for entry in config.paths if entry.tier == "never")
    return (*BUILTIN_PROTECTED_PATHS, *config.protected_paths, *never)


def path_tier(config: RepositoryConfig, path: str) -> TierName:
    """How much has to be asked before a path is pushed: the strictest entry that covers it."""
    protected = matches(path, (*BUILTIN_PROTECTED_PATHS, *config.protected_paths)) is not None
    covering: list[TierName] = ["approve"] if protected else []
    covering += [entry.tier for entry in config.paths if matches(path, (entry.match,)) is not None]
    return max(covering, key=TIERS.index, default="approve")


def _plain_login(login: str) -> str:
    return login.casefold().removesuffix("[bot]")


_MAY_BE_OFF: Final = ("on_conflict", "fork_pull_requests")

_RENAMED: Final = {
    "allow_fork_pull_requests": "`fork_pull_requests`: `ask` (for an `ok` to each head), `allow` (what `true` was) or "
    "`off` (what `false` was)",
}
"""Keys of earlier versions, and what to write instead."""

_MAX_MAPPINGS: Final = 20
"""Items of a list that are looked into for strange keys; no list of mappings may be as long."""

_PATH: Final = re.compile(r"(?P<what>.*?)(?: - at `\$(?P<path>.*)`)?", re.DOTALL)
_MISSING: Final = re.compile(r"Object missing required field `(.*)`")
_STEP: Final = re.compile(r"\.([^.\[]+)|\[(\d+)\]")


def _explain(message: str, document: Document, file: str) -> ConfigError:
    """Turn msgspec's message (``what - at `$.path` ``) into ours; all keys are known by now."""
    found = _PATH.fullmatch(message)
    what, where = (found["what"], found["path"] or "") if found else (message, "")
    path: Path = tuple(name or int(index) for name, index in _STEP.findall(where))
    root = _schema()
    if missing := _MISSING.fullmatch(what):
        path = (*path, missing[1])
        sentence = f"{code_span(dotted(path))} is missing; it must be {expectation(at(root, path), root)}."
    elif path:
        sentence = f"{code_span(dotted(path))} must be {expectation(at(root, path), root)}."
    else:
        sentence = "The file must hold keys and values, such as `version: 1`."
    return ConfigError(sentence, path=file, line=document.line_of(path), key=dotted(path) or None)


def _refuse_unknown_keys(data: Any, path: Path, document: Document, file: str) -> None:
    """Done before msgspec is asked, whose message about a strange key could not be taken apart for certain."""
    root = _schema()
    if isinstance(data, list):
        of_mappings = bool(keys(root, (*path, 0)))
        for index, item in enumerate(data[:_MAX_MAPPINGS] if of_mappings else ()):
            _refuse_unknown_keys(item, (*path, index), document, file)
        return
    known = keys(root, path)
    if not isinstance(data, dict) or not known:
        return
    for key, value in data.items():
        here = (*path, key)
        if key not in known:
            line = document.line_of(here)
            raise ConfigError(_unknown_key(key, known), path=file, line=line, key=dotted(here))
        _refuse_unknown_keys(value, here, document, file)


def _unknown_key(key: str, known: list[str]) -> str:
    if key in _RENAMED:
        return f"{code_span(key)} has become {_RENAMED[key]}."
    close = difflib.get_close_matches(key[:60], known, n=1)
    hint = f"Did you mean {code_span(close[0])}?" if close else f"Known are {', '.join(map(code_span, known))}."
    return f"There is no key {code_span(key)} here. {hint}"
