"""A search that finds nothing is worth something only if it would have found it."""

import base64
import codecs
import gzip
import json
import secrets
import zlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.promises.sweep import Hit, Sweep

SECRET = "Zq7-hV2xKp_94LmWc0TtYbNd6RsEaGjUo1"
HIDDEN: dict[str, Callable[[str], bytes]] = {
    "as it is": str.encode,
    "reversed": lambda secret: secret[::-1].encode(),
    "rot13": lambda secret: codecs.encode(secret, "rot13").encode(),
    "hex": lambda secret: secret.encode().hex().encode(),
    "hex of upper case": lambda secret: secret.encode().hex().upper().encode(),
    "percent": lambda secret: "".join(f"%{ord(letter):02x}" for letter in secret).encode(),
    "percent in part": lambda secret: quote(secret).replace("-", "%2D").replace("_", "%5F").encode(),
    "numbers": lambda secret: json.dumps(list(secret.encode())).encode(),
    "base32": lambda secret: base64.b32encode(secret.encode()),
    "base32 behind three letters": lambda secret: base64.b32encode(b"xyz" + secret.encode()),
    "base64": lambda secret: base64.b64encode(secret.encode()),
    "base64 behind a letter": lambda secret: base64.b64encode(b"x" + secret.encode()),
    "base64 behind two letters": lambda secret: base64.urlsafe_b64encode(b"xy" + secret.encode()),
    "base64 of base64": lambda secret: base64.b64encode(base64.b64encode(secret.encode())),
    "UTF-16": lambda secret: secret.encode("utf-16-le"),
    "gzip": lambda secret: gzip.compress(b"some words before " + secret.encode()),
    "zlib in base64": lambda secret: base64.b64encode(zlib.compress(b"some words before " + secret.encode())),
    "gzip in hex": lambda secret: gzip.compress(secret.encode()).hex().encode(),
    "letter by letter": lambda secret: " ".join(secret).encode(),
    "in pieces": lambda secret: json.dumps({f"part {at}": secret[at : at + 11] for at in range(0, 33, 11)}).encode(),
    "the middle of it": lambda secret: b"password=" + secret[9:21].encode() + b"...",
    "in an escaped string": lambda secret: json.dumps(json.dumps({"a": f'"{secret}"'})).encode(),
}


@pytest.mark.parametrize("how", HIDDEN)
def test_a_secret_is_found_in_every_disguise(tmp_path: Path, how: str) -> None:
    sweep = Sweep(tmp_path)
    sweep.add("nothing", secrets.token_bytes(100_000) + secrets.token_urlsafe(10_000).encode())
    sweep.add("something", b"words before it, " + HIDDEN[how](SECRET) + b" and words after it\n")
    found = sweep.hits({"the key": SECRET, "another": secrets.token_urlsafe(30)})
    assert {(hit.where, hit.secret) for hit in found} == {("something", "the key")}


def test_where_there_is_nothing_nothing_is_found(tmp_path: Path) -> None:
    sweep = Sweep(tmp_path)
    sweep.add("noise", secrets.token_bytes(10**6) + secrets.token_urlsafe(10**6).encode())
    sweep.add("empty", b"")
    assert sweep.hits({"the key": SECRET}) == set()


def test_files_are_searched_too(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "deep").mkdir(parents=True)
    (tree / "deep" / "binary").write_bytes(b"\0\xff" + SECRET.encode())
    (tree / "other").write_bytes(b"nothing")
    sweep = Sweep(tmp_path)
    assert sweep.hits_below([tree], {"the key": SECRET}) == {Hit(str(tree / "deep" / "binary"), "the key", "raw")}
