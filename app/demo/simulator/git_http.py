"""Real git over smart HTTP: ``git http-backend`` behind an asynchronous CGI bridge.

Source: https://git-scm.com/docs/git-http-backend and https://git-scm.com/docs/http-protocol .
"""

import asyncio
import contextlib
import os
import re
import signal
import stat
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.demo.simulator.acts_refs import refresh
from app.demo.simulator.app_auth import InstallationToken, NobodyPrincipal, Principal, UserPrincipal
from app.demo.simulator.messages import Refusal, Response
from app.demo.simulator.site import Site
from app.demo.simulator.state import Account, Repository, Role
from app.demo.simulator.wire import Wire

PATH = re.compile(r"/(?P<owner>[^/]+)/(?P<repo>[^/]+?)(?:\.git)?/(?P<file>info/refs|git-upload-pack|git-receive-pack)")
CHUNK = 64 * 1024
RECEIVE = "git-receive-pack"
SERVICES = ("git-upload-pack", RECEIVE)

# Runs for every ref of a push, before it moves. The words are those that the forge's users see.
UPDATE_HOOK = r"""#!/bin/sh
ref=$1 new=$3
case " $SIMULATOR_PROTECTED " in
*" $ref "*)
    printf "$SIMULATOR_REFUSAL" "$ref" >&2
    exit 1 ;;
esac
if [ -n "$SIMULATOR_ONLY" ]; then
    case " $SIMULATOR_ONLY " in
    *" $ref "*) ;;
    *)
        echo "error: this App may push to the head branches of pull requests only" >&2
        exit 1 ;;
    esac
fi
case $new in *[!0]*) ;; *) exit 0 ;; esac
branch=${ref#refs/heads/}
if [ -n "$SIMULATOR_BRANCHES" ] && ! printf '%s' "$branch" | grep -Eq "$SIMULATOR_BRANCHES"; then
    echo "GitLab: Branch name '$branch' does not follow the pattern '$SIMULATOR_BRANCHES'" >&2
    exit 1
fi
if [ -n "$SIMULATOR_MESSAGES" ]; then
    for commit in $(git rev-list "$new" --not --all); do
        if ! git log -1 --format=%B "$commit" | grep -Eq "$SIMULATOR_MESSAGES"; then
            echo "GitLab: Commit message does not follow the pattern '$SIMULATOR_MESSAGES'" >&2
            exit 1
        fi
    done
fi
if [ "$SIMULATOR_WORKFLOWS" = no ]; then
    file=$(git rev-list "$new" --not --all | git diff-tree --stdin -r -c --root --no-commit-id --name-only |
        grep -m 1 '^\.github/workflows/.')
    if [ -n "$file" ]; then
        echo "refusing to allow a GitHub App to create or update workflow" \
            "\`$file\` without \`workflows\` permission" >&2
        exit 1
    fi
fi
"""

PROTECTED = (
    "error: GH006: Protected branch update failed for %s.\\nerror: You're not authorized to push to this branch.\\n"
)


def write_hooks(directory: Path) -> None:
    """Write the hooks that all repositories share."""
    directory.mkdir(parents=True, exist_ok=True)
    hook = directory / "update"
    hook.write_text(UPDATE_HOOK, encoding="utf-8")
    hook.chmod(hook.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


@dataclass(frozen=True, slots=True, kw_only=True)
class GitCall:
    """One request of git that was let in: ``rules`` reach the hook by the environment."""

    repository: Repository
    service: str
    advertise: bool
    who: Account | None
    rules: Mapping[str, str]


def admit_git(site: Site, match: re.Match[str], wire: Wire, principal: Principal) -> GitCall:
    """Check that somebody may fetch or push. Raises ``Refusal`` 401, 403 or 404."""
    advertise = match["file"] == "info/refs"
    service = wire.request.query.get("service", "") if advertise else match["file"]
    if service not in SERVICES or wire.request.method != ("GET" if advertise else "POST"):
        raise Refusal(404, "Not Found")
    repository = site.world.repository(f"{match['owner']}/{match['repo']}")
    write = service == RECEIVE
    if isinstance(principal, NobodyPrincipal) and (repository is None or repository.private or write):
        raise Refusal(401, "Authentication required.", headers={"www-authenticate": 'Basic realm="GitHub"'})
    if repository is None:
        raise _missing(site, match, wire)
    who, rules = None, {}
    match principal:
        case UserPrincipal(account=account):
            who = account
            rules = _person(account, repository, write=write)
        case InstallationToken():
            who = site.world.bot
            rules = _installation(site, principal, repository, write=write)
        case _:
            pass
    return GitCall(repository=repository, service=service, advertise=advertise, who=who, rules=rules)


def _missing(site: Site, match: re.Match[str], wire: Wire) -> Refusal:
    """Git follows a rename as pages do; anything else is not there."""
    renamed = site.world.renamed.get(f"{match['owner']}/{match['repo']}".casefold())
    if renamed is None or renamed.deleted:
        return Refusal(404, "Repository not found.")
    location = f"{site.world.base_url}/{renamed.full_name}.git/{match['file']}?{wire.request.query_string}"
    return Refusal(301, "Moved Permanently", headers={"location": location})


def _person(account: Account, repository: Repository, *, write: bool) -> dict[str, str]:
    role = repository.role_of(account)
    if role < Role.READ:
        raise Refusal(404, "Repository not found.")
    if write and role < Role.WRITE:
        raise Refusal(403, f"Permission to {repository.full_name}.git denied to {account.login}.")
    protected = () if role >= Role.ADMIN else repository.protected
    return _rules(protected, workflows=True)


def _installation(site: Site, token: InstallationToken, repository: Repository, *, write: bool) -> dict[str, str]:
    """An App pushes where its token reaches, and to the heads of pull requests that allow it.

    Source: https://docs.github.com/pull-requests/collaborating-with-pull-requests/working-with-forks , "Allowing
    changes to a pull request branch created from a fork".
    """
    workflows = token.allows("workflows", "write")
    if token.reaches(repository):
        if not token.allows("contents", "write" if write else "read"):
            raise Refusal(403, "Write access to repository not granted.")
        return _rules(repository.protected, workflows=workflows)
    if repository.private:
        raise Refusal(404, "Repository not found.")
    if not write:
        return {}
    heads = [
        f"refs/heads/{pull.head_ref}"
        for target in site.world.repositories.values()
        if token.reaches(target) and token.allows("contents", "write")
        for pull in target.pull_requests()
        if pull.open and pull.head_repository is repository and pull.maintainer_can_modify
    ]
    if not heads:
        raise Refusal(403, f"Permission to {repository.full_name}.git denied to {site.world.bot.login}.")
    return _rules(repository.protected, workflows=workflows, only=heads)


def _rules(protected: Sequence[str] | set[str], *, workflows: bool, only: Sequence[str] = ()) -> dict[str, str]:
    return {
        "SIMULATOR_PROTECTED": " ".join(f"refs/heads/{name}" for name in sorted(protected)),
        "SIMULATOR_REFUSAL": PROTECTED,
        "SIMULATOR_WORKFLOWS": "yes" if workflows else "no",
        "SIMULATOR_ONLY": " ".join(sorted(only)),
    }


async def serve_git(site: Site, call: GitCall, wire: Wire, *, lose: bool) -> int:
    """Answer one request of git; the status that was sent. A push is answered after everything followed it."""
    if call.service == RECEIVE and not call.advertise:
        async with call.repository.lock:
            try:
                response = await _collect(site, call, wire)
            finally:
                if call.who is not None:
                    await refresh(site, call.repository, call.who)
        await site.faults.wait(wire.request.method, wire.request.path, after=True)
        if lose:
            wire.abort()
        else:
            await wire.send(response)
        return response.status
    return await _stream(site, call, wire, lose=lose)


async def _start(site: Site, call: GitCall, wire: Wire) -> asyncio.subprocess.Process:
    headers = wire.request.headers
    root = site.directory / "repositories"
    file = "info/refs" if call.advertise else call.service
    environment = {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_PROJECT_ROOT": str(root),
        "PATH_INFO": f"/{call.repository.directory.relative_to(root)}/{file}",
        "QUERY_STRING": wire.request.query_string,
        "REQUEST_METHOD": wire.request.method,
        "REMOTE_ADDR": "127.0.0.1",
        **({"REMOTE_USER": call.who.login} if call.who is not None else {}),
        **call.rules,
    }
    variables = {
        "content-type": "CONTENT_TYPE",
        "content-length": "CONTENT_LENGTH",
        "content-encoding": "HTTP_CONTENT_ENCODING",
        "git-protocol": "GIT_PROTOCOL",
    }
    environment |= {variable: headers[name] for name, variable in variables.items() if name in headers}
    return await asyncio.create_subprocess_exec(
        "git",
        "http-backend",
        env=site.git.environment(environment),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,
    )


async def _feed(stdin: asyncio.StreamWriter, wire: Wire) -> None:
    try:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            async for chunk in wire.body():
                stdin.write(chunk)
                await stdin.drain()
    finally:
        stdin.close()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        await stdin.wait_closed()


async def _head(stdout: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """Status and headers of a CGI answer."""
    status, headers = 200, {}
    while line := (await stdout.readline()).decode("latin-1").strip():
        name, _, value = line.partition(":")
        if name.casefold() == "status":
            status = int(value.split()[0])
        else:
            headers[name.casefold()] = value.strip()
    return status, headers


def _kill(process: asyncio.subprocess.Process) -> None:
    """End http-backend and its children, which hold its pipes too."""
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@contextlib.asynccontextmanager
async def _running(site: Site, call: GitCall, wire: Wire) -> AsyncIterator[asyncio.StreamReader]:
    """Git http-backend at work: its output, while the request's body flows into it."""
    process = await _start(site, call, wire)
    if process.stdin is None or process.stdout is None:
        raise AssertionError("both were asked for as pipes")
    feeding = asyncio.create_task(_feed(process.stdin, wire))
    # http-backend spins for ever on a body that ends too early (git 2.39, pipe_fixed_length).
    feeding.add_done_callback(lambda task: _kill(process) if task.cancelled() or task.exception() else None)
    try:
        yield process.stdout
        await feeding
        await process.wait()
    finally:
        feeding.cancel()
        _kill(process)
        await asyncio.gather(feeding, process.stdout.read(), process.wait(), return_exceptions=True)


async def _collect(site: Site, call: GitCall, wire: Wire) -> Response:
    async with _running(site, call, wire) as stdout:
        status, headers = await _head(stdout)
        body = await stdout.read()
    return Response(status=status, headers=headers, body=body)


async def _stream(site: Site, call: GitCall, wire: Wire, *, lose: bool) -> int:
    async with _running(site, call, wire) as stdout:
        status, headers = await _head(stdout)
        await site.faults.wait(wire.request.method, wire.request.path, after=True)
        if lose:
            wire.abort()
            return status
        await wire.begin(status, headers)
        while chunk := await stdout.read(CHUNK):
            await wire.more(chunk)
        await wire.end()
    return status
