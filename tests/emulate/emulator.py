"""Vercel's emulator of GitHub: somebody else's reading of GitHub's documentation, as a second opinion on our own."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from app.demo.simulator.settings import AppSpec
from bot.model.forge import RepositoryRef
from tests.npm.packages import node, or_skip, package

INSTALLATION: Final = 100
_TOKEN: Final = "tok_ada"


@dataclass(frozen=True, slots=True)
class Emulator:
    """The emulator at work, and Ada, who owns its only repository."""

    url: str
    http: httpx.AsyncClient

    async def ada(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """What Ada does over the API."""
        answer = await self.http.request(
            method, f"{self.url}{path}", headers={"authorization": f"Bearer {_TOKEN}"}, json=body
        )
        assert answer.is_success, answer.text
        return answer.json()

    async def repository(self) -> RepositoryRef:
        """The repository, as our App sees it."""
        told = await self.ada("GET", "/repos/acme/payments")
        return RepositoryRef(forge="github", id=told["id"], owner="acme", name="payments", installation_id=INSTALLATION)

    async def branch(self, name: str, content: str) -> str:
        """A branch with one commit more than ``main``; the commit."""
        git = "/repos/acme/payments/git"
        tip = (await self.ada("GET", f"{git}/ref/heads/main"))["object"]["sha"]
        blob = (await self.ada("POST", f"{git}/blobs", {"content": content, "encoding": "utf-8"}))["sha"]
        entry = {"path": "fee.py", "mode": "100644", "type": "blob", "sha": blob}
        tree = (await self.ada("POST", f"{git}/trees", {"tree": [entry]}))["sha"]
        commit = await self.ada("POST", f"{git}/commits", {"message": name, "tree": tree, "parents": [tip]})
        await self.ada("POST", f"{git}/refs", {"ref": f"refs/heads/{name}", "sha": commit["sha"]})
        return str(commit["sha"])

    async def pull_request(self, head: str) -> int:
        """A pull request of Ada's into ``main``."""
        asked = {"title": "Raise the fee", "body": "By one.", "head": head, "base": "main"}
        return int((await self.ada("POST", "/repos/acme/payments/pulls", asked))["number"])


@contextlib.asynccontextmanager
async def emulating(directory: Path, app: AppSpec, *, webhook_url: str, secret: str) -> AsyncIterator[Emulator]:
    """The emulator with our App on it. The test is skipped by name where it cannot be installed."""
    program, main = or_skip(node), or_skip(lambda: package("emulate")) / "dist" / "index.js"
    seed = directory / "seed.json"
    seed.write_text(json.dumps(_seed(app, webhook_url, secret)), encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(str(program), str(main), "start", "--service", "github", "--port", str(port), "--seed", str(seed)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(60), httpx.AsyncClient(trust_env=False) as http:
            assert process.stdout is not None
            said = b""
            while b"Ready" not in said:
                line = await process.stdout.readline()
                assert line, said
                said += line
            yield Emulator(f"http://127.0.0.1:{port}", http)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.communicate()


def _seed(app: AppSpec, webhook_url: str, secret: str) -> dict[str, Any]:
    ours = {
        "app_id": app.id,
        "slug": app.slug,
        "name": app.name,
        "private_key": app.private_key_pem,
        "permissions": dict(app.permissions),
        "events": list(app.events),
        "webhook_url": webhook_url,
        "webhook_secret": secret,
        "installations": [{"installation_id": INSTALLATION, "account": "acme", "repository_selection": "all"}],
    }
    return {
        "tokens": {_TOKEN: {"login": "ada", "scopes": ["repo", "user", "admin:org"]}},
        "github": {
            "users": [{"login": "ada", "name": "Ada", "email": "ada@example.org"}],
            "orgs": [{"login": "acme", "name": "Acme", "members": [{"login": "ada", "role": "admin"}]}],
            "repos": [{"owner": "acme", "name": "payments", "language": "Python", "auto_init": True}],
            "apps": [ours],
        },
    }
