"""A strict reader of tar archives from a sandbox: plain files only, nothing but what our guest writes.

The standard library's reader is made to accept what there is in the world (sparse files, links, a dozen header kinds,
damaged ends) and recurses over chained headers. Here every header is either right or refused. What is accepted of
https://pubs.opengroup.org/onlinepubs/9699919799/utilities/pax.html: ``ustar`` headers of regular files, each optionally
preceded by one extended header that holds one ``path`` record.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from bot.errors import IngestError

_BLOCK: Final = 512
_RECORD: Final = 20 * _BLOCK
_REGULAR: Final = b"0"
_EXTENDED: Final = b"x"
_MAX_EXTENDED: Final = 8192
_OCTAL: Final = frozenset(b"01234567")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedFile:
    """A file in an archive. ``content`` is a view into the archive: reading copies nothing."""

    path: str
    content: memoryview


def archived_files(archive: bytes) -> Iterator[ArchivedFile]:
    """The files of ``archive`` in order.

    Raises:
        IngestError: anything that our guest would not have written; the message names the rule.
    """
    view = memoryview(archive)
    position = 0
    long_path: str | None = None
    while True:
        header = view[position : position + _BLOCK]
        if len(header) < _BLOCK:
            raise IngestError("the archive is cut off")
        if not any(header):
            break
        kind, path, size = _header(header)
        position += _BLOCK
        if position + size > len(view):
            raise IngestError("the archive is cut off")
        content = view[position : position + size]
        position += -(-size // _BLOCK) * _BLOCK
        if kind == _EXTENDED:
            if long_path is not None or size > _MAX_EXTENDED:
                raise IngestError("the archive has an extended header that is not allowed")
            long_path = _path_record(bytes(content))
            continue
        yield ArchivedFile(path=path if long_path is None else long_path, content=content)
        long_path = None
    _check_end(view[position:], dangling=long_path is not None)


def _header(header: memoryview) -> tuple[bytes, str, int]:
    """Kind, path and size in one header."""
    raw = bytes(header)
    if raw[257:265] != b"ustar\x0000" or _octal(raw[148:156]) != _checksum(raw):
        raise IngestError("the archive has a damaged header")
    kind = raw[156:157]
    if kind not in {_REGULAR, _EXTENDED} or raw[157:257].strip(b"\0"):
        raise IngestError("the archive holds something that is no plain file")
    if raw[345:500].strip(b"\0"):
        raise IngestError("the archive has a name in two parts")
    return kind, _text(raw[0:100]), _octal(raw[124:136])


def _checksum(raw: bytes) -> int:
    return sum(raw) - sum(raw[148:156]) + 8 * ord(" ")


def _octal(field: bytes) -> int:
    digits = field.strip(b" \0")
    if not digits or not _OCTAL.issuperset(digits):
        raise IngestError("the archive has a number that is not octal")
    return int(digits, 8)


def _text(field: bytes) -> str:
    text, _, rest = field.partition(b"\0")
    if rest.strip(b"\0") or not text.isascii():
        raise IngestError("the archive has a name that is not plain")
    return text.decode("ascii")


def _path_record(content: bytes) -> str:
    """The path in an extended header: exactly one record, ``<length> path=<value>`` and a line feed."""
    length, _, record = content.partition(b" ")
    key, _, value = record.partition(b"=")
    if key != b"path" or not value.endswith(b"\n") or length != str(len(content)).encode():
        raise IngestError("the archive has an extended header that is not allowed")
    try:
        return value[:-1].decode("utf-8")
    except UnicodeDecodeError:
        raise IngestError("the archive has a name that is not Unicode") from None


def _check_end(rest: memoryview, *, dangling: bool) -> None:
    if dangling or not 2 * _BLOCK <= len(rest) <= _RECORD + _BLOCK or len(rest) % _BLOCK or any(rest):
        raise IngestError("the archive does not end as it should")
