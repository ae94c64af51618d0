"""Clones to work in, and the console program in them."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it has no annotations

from app.cli import main
from tests.bot.git.workshop import Workshop

SCHEMAS = Path(__file__).resolve().parents[3] / "docs" / "schemas"


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    code: int
    output: str
    errors: str

    def document(self, schema: str) -> dict[str, Any]:
        """The one JSON document on standard output, which its schema must allow."""
        found = json.loads(self.output)
        Draft202012Validator(json.loads((SCHEMAS / schema).read_text())).validate(found)
        assert isinstance(found, dict)
        return found


@dataclass(frozen=True, slots=True)
class Program:
    """``flowforge``, in this process: quick, and with the same doors as the console program."""

    monkeypatch: pytest.MonkeyPatch

    def __call__(self, where: Path, *arguments: str, answer: str = "", **environment: str) -> Done:
        self.monkeypatch.chdir(where)
        done = CliRunner().invoke(main, arguments, input=answer, env=environment)
        assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
        return Done(code=done.exit_code, output=done.stdout, errors=done.stderr)

    def resolve(self, where: Path, *arguments: str, code: int = 0) -> dict[str, Any]:
        done = self(where, "resolve", "--rules-only", "--json", *arguments)
        assert done.code == code, done.output + done.errors
        return done.document("resolve-1.json")

    def verify(self, where: Path, *arguments: str, code: int = 0) -> dict[str, Any]:
        done = self(where, "verify", "--json", *arguments)
        assert done.code == code, done.output + done.errors
        return done.document("verify-1.json")


@pytest.fixture
def flowforge(monkeypatch: pytest.MonkeyPatch) -> Program:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    monkeypatch.delenv("ANTHROPIC_BASE_URL", raising=False)
    return Program(monkeypatch)


def console(where: Path, *arguments: str, **environment: str) -> Done:
    """The console program as a process of its own."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("ANTHROPIC_")}
    done = subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        cwd=where,
        env=kept | {"PYTHONPATH": str(SCHEMAS.parents[1])} | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    return Done(code=done.returncode, output=done.stdout, errors=done.stderr)


TEXT = "".join(f"line {number}\n" for number in range(1, 31))


def edited(text: str = TEXT, /, **lines: str) -> str:
    """``text`` with lines replaced: ``edited(l3="new")``."""
    for name, line in lines.items():
        text = text.replace(f"line {name[1:]}\n", f"{line}\n")
    return text


SETTLED = {"ours": edited(l3="line  three"), "theirs": edited(l3="line three", l9="nine, theirs")}
"""A conflict that a rule settles: the sides differ in white space only. Outside it theirs has a change."""

OPEN = {"ours": edited(l20="twenty, ours"), "theirs": edited(l20="zwanzig, theirs")}
"""A conflict that no rule settles."""

PARTLY = {
    "ours": edited(l3="line  three", l20="twenty, ours"),
    "theirs": edited(l3="line three", l20="zwanzig, theirs"),
}
"""Both in one file."""


def diverge(where: Path, conflicts: dict[str, dict[str, str]], **base: str) -> Workshop:
    """A clone on ``main`` with a branch ``side``: for each path, what both made of ``TEXT``."""
    shop = Workshop.create(where)
    shop.commit(dict.fromkeys(conflicts, TEXT) | base, "base")
    shop.git("branch", "side")
    shop.commit({path: sides["ours"] for path, sides in conflicts.items()}, "our work")
    shop.git("checkout", "--quiet", "side")
    shop.commit({path: sides["theirs"] for path, sides in conflicts.items()}, "their work")
    shop.git("checkout", "--quiet", "main")
    return shop
