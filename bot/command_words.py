"""One command line into a typed command, or into a fault that says what to write instead."""

import difflib
import re
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from bot.commands import BY_WORD, PREFIX, CommandName, CommandSpec, Parameter, ValueKind
from bot.config_keys import MAX_BUDGET_USD
from bot.model.text import code_span

Value = str | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedCommand:
    """A command as somebody wrote it. Two are equal when they ask for the same, wherever and however it was written.

    ``values`` holds the parameters that were given, sorted by name. ``line`` is 1-based, ``ordinal`` counts the
    comment's commands and faults from 0.
    """

    name: CommandName
    values: tuple[tuple[str, Value], ...]
    text: str = field(compare=False)
    line: int = field(compare=False)
    ordinal: int = field(compare=False)

    def word(self, name: str) -> str | None:
        """The text given for a parameter, None when it was left out."""
        return next((value for key, value in self.values if key == name and isinstance(value, str)), None)

    def required(self, name: str) -> str:
        """The text given for a parameter that the table requires; a command without it is a fault."""
        return next(value for key, value in self.values if key == name and isinstance(value, str))

    def number(self, name: str) -> float | None:
        """The number given for a parameter, None when it was left out."""
        return next((value for key, value in self.values if key == name and isinstance(value, float)), None)

    def flag(self, name: str) -> bool:
        """Whether a flag was given."""
        return (name, True) in self.values


class FaultKind(StrEnum):
    """What can be wrong with a line that is addressed to us."""

    MISSING_COMMAND = "missing command"
    UNKNOWN_COMMAND = "unknown command"
    UNKNOWN_OPTION = "unknown option"
    DUPLICATE_OPTION = "duplicate option"
    MISPLACED_OPTION = "misplaced option"
    MISSING_VALUE = "missing value"
    BAD_VALUE = "bad value"
    TOO_LONG = "too long"
    UNCLOSED_QUOTE = "unclosed quote"
    UNEXPECTED_ARGUMENT = "unexpected argument"
    TOO_MANY_COMMANDS = "too many commands"
    COMMENT_TOO_LONG = "comment too long"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandFault:
    """Why a line is no command; ``message`` is one or more sentences of Markdown in which foreign words are inert."""

    kind: FaultKind
    message: str
    text: str
    line: int = field(compare=False)
    ordinal: int = field(compare=False)


def parse_line(rest: str, *, text: str, line: int, ordinal: int) -> ParsedCommand | CommandFault:
    """Parse what follows the prefix on a line; ``text`` is the whole line."""
    try:
        name, values = _parse(rest)
    except _FaultError as fault:
        return CommandFault(kind=fault.kind, message=str(fault), text=text, line=line, ordinal=ordinal)
    given = tuple(sorted(values.items()))
    return ParsedCommand(name=name, values=given, text=text, line=line, ordinal=ordinal)


class _FaultError(Exception):
    def __init__(self, kind: FaultKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


SPACE: Final = " \t\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
"""What parts words: people's keyboards write more than one kind of space."""

_DASHES: Final = "-\N{EN DASH}\N{EM DASH}\N{HORIZONTAL BAR}\N{MINUS SIGN}"

# What looks like an option: hyphens, or the dashes that phones make of two of them, and then a letter.
_OPTION: Final = re.compile(rf"[{_DASHES}]{{1,3}}(?=[A-Za-z])[^\s]*")


def _parse(rest: str) -> tuple[CommandName, dict[str, Value]]:
    word, rest = _first_word(rest)
    if not word:
        raise _FaultError(FaultKind.MISSING_COMMAND, f"Which command? `{PREFIX} help` shows them.")
    spec = BY_WORD.get(word.lower())
    if spec is None:
        raise _FaultError(FaultKind.UNKNOWN_COMMAND, _unknown_command(word))
    values, rest = _options(spec, rest)
    for argument in spec.arguments:
        given, rest = _argument(spec, argument, rest)
        if given:
            values[argument.name] = _value(argument, given, called=argument.name)
        elif argument.required:
            message = f"`{spec.name}` lacks its {argument.name}. Write `{PREFIX} {spec.usage}`."
            raise _FaultError(FaultKind.MISSING_VALUE, message)
    if rest:
        raise _unexpected(spec, rest)
    return spec.name, values


def _argument(spec: CommandSpec, argument: Parameter, rest: str) -> tuple[str, str]:
    """One argument as it stands, and what comes after it. Free text and paths take the rest of the line."""
    if argument.kind is ValueKind.TEXT:
        return _instructions(spec, rest), ""
    if argument.kind is ValueKind.PATH:
        return _path(rest), ""
    return _quoted_word(rest)


def _path(rest: str) -> str:
    """A path, which may hold spaces; it may stand in quotes or, as people copy it from reports, in backticks."""
    mark = rest[:1]
    if mark not in ("'", '"', "`"):
        return rest
    width = len(rest) - len(rest.lstrip(mark)) if mark == "`" else 1
    inside = rest[width:-width]
    if len(rest) < 2 * width or rest[-width:] != rest[:width] or mark in inside[-1:]:
        raise _FaultError(FaultKind.UNCLOSED_QUOTE, f"The quote in {code_span(rest)} is not closed.")
    return inside.strip(" ") if mark == "`" else inside


def _options(spec: CommandSpec, rest: str) -> tuple[dict[str, Value], str]:
    """Take the options off the front."""
    values: dict[str, Value] = {}
    known = {option.name: option for option in spec.options}
    while _OPTION.match(rest):
        dashes, name, after = _split_option(rest)
        option = known.get(name.lower()) if dashes == "--" else None
        if option is None:
            raise _FaultError(FaultKind.UNKNOWN_OPTION, _unknown_option(spec, dashes + name, name))
        if option.name in values:
            raise _FaultError(FaultKind.DUPLICATE_OPTION, f"`--{option.name}` stands here twice.")
        values[option.name], rest = _option_value(option, after)
    return values, rest


def _instructions(spec: CommandSpec, rest: str) -> str:
    """The free text at the end of a line, as it stands behind ``--`` if there is one.

    An option behind the first words would be taken for words, and a dry run would not be dry.
    """
    word, after = _first_word(rest)
    if word == "--":
        return after
    names = {option.name for option in spec.options}
    for late in rest.split():
        dashes, name, _ = _split_option(late)
        if dashes and name.lower() in names:
            message = (
                f"{code_span(late)} stands behind the instructions. Write options right after `{spec.name}`, "
                "or `--` before the instructions where it is part of them."
            )
            raise _FaultError(FaultKind.MISPLACED_OPTION, message)
    return rest


def _split_option(text: str) -> tuple[str, str, str]:
    """The dashes, the name and what comes after it, with its ``=`` or space."""
    name_at = len(text) - len(text.lstrip(_DASHES))
    end = next((i for i in range(name_at, len(text)) if text[i] == "=" or text[i] in SPACE), len(text))
    return text[:name_at], text[name_at:end], text[end:]


def _option_value(option: Parameter, after: str) -> tuple[Value, str]:
    glued = after.startswith("=")
    if option.kind is ValueKind.FLAG:
        if glued:
            raise _FaultError(FaultKind.BAD_VALUE, f"`--{option.name}` takes no value.")
        return True, after.strip(SPACE)
    after = after[1:] if glued else after.strip(SPACE)
    value, rest = _quoted_word(after)
    if not value or (not glued and _OPTION.match(value)):
        message = f"`--{option.name}` lacks its value. It must be {option.allowed}."
        raise _FaultError(FaultKind.MISSING_VALUE, message)
    return _value(option, value, called=f"--{option.name}"), rest


def _first_word(text: str) -> tuple[str, str]:
    word, *rest = re.split(rf"[{SPACE}]+", text.strip(SPACE), maxsplit=1)
    return word, rest[0] if rest else ""


def _quoted_word(text: str) -> tuple[str, str]:
    """A word, or what stands between quotes, and the rest. Within quotes nothing is special but the closing quote."""
    if text[:1] not in ("'", '"'):
        end = next((i for i, character in enumerate(text) if character in SPACE), len(text))
        return text[:end], text[end:].strip(SPACE)
    end = text.find(text[0], 1)
    if end < 0:
        raise _FaultError(FaultKind.UNCLOSED_QUOTE, f"The quote in {code_span(text)} is not closed.")
    if text[end + 1 : end + 2] not in ("", *SPACE):
        message = f"A space is missing after the closing quote in {code_span(text)}."
        raise _FaultError(FaultKind.BAD_VALUE, message)
    return text[1:end], text[end + 1 :].strip(SPACE)


def _value(parameter: Parameter, given: str, *, called: str) -> Value:
    """Check a value against its row of the table."""
    if len(given) > parameter.max_length:
        message = f"`{called}` may have at most {parameter.max_length} characters; here are {len(given)}."
        raise _FaultError(FaultKind.TOO_LONG, message)
    lowered = given.lower() if parameter.kind in (ValueKind.CHOICE, ValueKind.COMMIT) else given
    found = re.fullmatch(parameter.pattern, lowered)
    if found is None:
        raise _bad_value(parameter, given, called)
    if parameter.kind is not ValueKind.MONEY:
        return lowered
    amount = float(lowered.lstrip("$"))
    if not 0 < amount <= MAX_BUDGET_USD:
        raise _bad_value(parameter, given, called)
    return amount


def _bad_value(parameter: Parameter, given: str, called: str) -> _FaultError:
    close = difflib.get_close_matches(given[:60].lower(), parameter.choices, n=1)
    hint = f" Did you mean `{close[0]}`?" if close else ""
    shown = "" if parameter.kind is ValueKind.TEXT else f", not {code_span(given)}"
    return _FaultError(FaultKind.BAD_VALUE, f"`{called}` must be {parameter.allowed}{shown}.{hint}")


def _unknown_command(word: str) -> str:
    close = difflib.get_close_matches(word[:60].lower(), BY_WORD, n=1)
    hint = f"Did you mean `{close[0]}`?" if close else f"`{PREFIX} help` shows what there is."
    return f"There is no command {code_span(word)}. {hint}"


def _unknown_option(spec: CommandSpec, word: str, name: str) -> str:
    names = [option.name for option in spec.options]
    if not names:
        return f"`{spec.name}` has no options; {code_span(word)} is not understood."
    close = difflib.get_close_matches(name[:60].lower(), names, n=1)
    known = ", ".join(f"`--{each}`" for each in names)
    free = any(argument.kind is ValueKind.TEXT for argument in spec.arguments)
    has = f"It has {known}" + ("; instructions may stand behind `--`." if free else ".")
    hint = f"Did you mean `--{close[0]}`?" if close else has
    return f"`{spec.name}` has no option {code_span(word)}. {hint}"


def _unexpected(spec: CommandSpec, given: str) -> _FaultError:
    message = f"`{spec.name}` takes no more than `{PREFIX} {spec.usage}`; {code_span(given)} is not understood."
    return _FaultError(FaultKind.UNEXPECTED_ARGUMENT, message)
