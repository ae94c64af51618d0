"""Reading a forge's deliveries strictly: one meaning only, and texts that can be kept."""

import json
from collections.abc import Iterator
from typing import Any, NoReturn, TypeVar

import msgspec

from bot.errors import PayloadError

_Payload = TypeVar("_Payload", bound=msgspec.Struct)


def parse(body: bytes) -> object:
    """The JSON document in ``body``, read once and strictly: no later reader can see another meaning in it.

    The standard library's parser is used because it alone tells of keys that occur twice.

    Raises:
        PayloadError: it is not JSON in UTF-8, nested too deeply, holds a key twice, or a number that is none.
    """
    try:
        return json.loads(body.decode("utf-8"), object_pairs_hook=_unique_keys, parse_constant=_no_constant)
    except RecursionError:
        raise PayloadError("the body is nested too deeply") from None
    except ValueError:  # not UTF-8, not JSON, or a number of thousands of digits
        raise PayloadError("the body is not JSON in UTF-8") from None


def read(document: object, type_: type[_Payload], *, product: str) -> _Payload:
    """The fields of ``type_`` in a document that ``product`` (such as ``GitHub``) sent.

    Raises:
        PayloadError: they are not as documented, or a text among them cannot be kept; it quotes nothing of the body.
    """
    try:
        payload = msgspec.convert(document, type_)
    except msgspec.ValidationError as error:
        raise PayloadError(f"the body is not as {product} documents it: {error}") from None
    except UnicodeEncodeError:  # a lone surrogate where something else than text belongs
        raise PayloadError(f"the body is not as {product} documents it") from None
    if not all(_is_storable(text) for text in _texts(msgspec.to_builtins(payload))):
        raise PayloadError("the body holds text with NUL characters or lone surrogates")
    return payload


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise PayloadError("the body holds a key twice in one object")
    return result


def _no_constant(_name: str) -> NoReturn:
    raise PayloadError("the body holds NaN or Infinity, which are not JSON")


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, str):
        yield value


def _is_storable(text: str) -> bool:
    """Whether databases and UTF-8 can hold the text: no NUL, no half of a surrogate pair."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return "\0" not in text
