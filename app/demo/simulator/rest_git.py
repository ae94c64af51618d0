"""Endpoints that read git: contents, refs and branches."""

import base64
import posixpath
from dataclasses import dataclass, replace
from urllib.parse import quote

from app.demo.simulator import render
from app.demo.simulator.messages import Refusal, Response, json_response, not_found, page_of
from app.demo.simulator.render import Json
from app.demo.simulator.routes import CONTENTS, Call, Route
from app.demo.simulator.site import GitHubSite
from app.demo.simulator.state import Repository

LARGEST_INLINE = 1024 * 1024
LARGEST_READABLE = 100 * 1024 * 1024
RAW_TYPES = ("application/vnd.github.raw+json", "application/vnd.github.raw")
TREE_TYPES = {"blob": "file", "tree": "dir", "commit": "submodule"}
SYMLINK = "120000"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A blob at a path of a commit."""

    commit: str
    path: str
    oid: str
    content: bytes


async def get_contents(site: GitHubSite, call: Call) -> Response:
    """``GET /repos/{owner}/{repo}/contents/{path}``.

    Source: https://docs.github.com/rest/repos/contents#get-repository-content .
    """
    repository = call.repository
    path = call.params.get("path", "").strip("/")
    ref = call.request.query.get("ref") or repository.default_branch
    commit = await site.git.resolve(repository, ref)
    if commit is None:
        raise Refusal(404, f"No commit found for the ref {ref}")
    if not path:
        return await _directory(site, repository, commit, "")
    found = await site.git.entry(repository.directory, commit, path)
    if found is None:
        raise not_found()
    mode, kind, oid = found
    if kind == "tree":
        return await _directory(site, repository, commit, f"{path}/")
    if kind == "commit":
        entry = _entry(site, repository, commit, path) | {"type": "submodule", "sha": oid, "submodule_git_url": ""}
        return json_response(entry)
    content = await site.git.blob(repository.directory, oid)
    blob = _Found(commit=commit, path=path, oid=oid, content=content)
    return await _symlink(site, call, blob) if mode == SYMLINK else _file(site, call, blob)


async def _symlink(site: GitHubSite, call: Call, link: _Found) -> Response:
    """A link to a normal file of the repository answers with that file's content, any other with itself."""
    directory = call.repository.directory
    target = link.content.decode("utf-8", "replace")
    resolved = posixpath.normpath(posixpath.join(posixpath.dirname(link.path), target))
    if not target.startswith("/") and not resolved.startswith(".."):
        found = await site.git.entry(directory, link.commit, resolved)
        if found is not None and found[1] == "blob" and found[0] != SYMLINK:
            content = await site.git.blob(directory, found[2])
            return _file(site, call, replace(link, oid=found[2], content=content))
    entry = _entry(site, call.repository, link.commit, link.path)
    return json_response(entry | {"type": "symlink", "sha": link.oid, "target": target})


def _file(site: GitHubSite, call: Call, found: _Found) -> Response:
    content = found.content
    if len(content) > LARGEST_READABLE:
        raise Refusal(403, "This API returns blobs up to 100 MB in size.")
    if call.request.headers.get("accept", "").split(";")[0].strip() in RAW_TYPES:
        return Response(headers={"content-type": "application/vnd.github.raw+json; charset=utf-8"}, body=content)
    inline = len(content) <= LARGEST_INLINE
    return json_response(
        _entry(site, call.repository, found.commit, found.path)
        | {
            "type": "file",
            "sha": found.oid,
            "size": len(content),
            "encoding": "base64" if inline else "none",
            "content": base64.encodebytes(content).decode("ascii") if inline else "",
        }
    )


async def _directory(site: GitHubSite, repository: Repository, commit: str, prefix: str) -> Response:
    return json_response(
        [
            _entry(site, repository, commit, path)
            | {"type": "symlink" if mode == SYMLINK else TREE_TYPES[kind], "sha": oid}
            async for mode, kind, oid, path in site.git.entries(repository.directory, commit, prefix)
        ]
    )


def _entry(site: GitHubSite, repository: Repository, commit: str, path: str) -> Json:
    """What all kinds of content have; the caller adds ``type`` and ``sha``."""
    quoted = quote(path, errors="surrogateescape")
    url = f"{render.api(site.world, repository)}/contents/{quoted}?ref={commit}"
    page = f"{render.html(site.world, repository)}/blob/{commit}/{quoted}"
    return {
        "name": posixpath.basename(path),
        "path": path,
        "size": 0,
        "url": url,
        "git_url": None,
        "html_url": page,
        "download_url": None,
        "_links": {"self": url, "git": None, "html": page},
    }


async def get_ref(site: GitHubSite, call: Call) -> Response:
    """``GET /repos/{owner}/{repo}/git/ref/{ref}``, with the ref as ``heads/main``."""
    name = f"refs/{call.params['ref']}"
    sha = call.repository.refs.get(name)
    if sha is None:
        raise not_found()
    url = render.api(site.world, call.repository)
    return json_response(
        {
            "ref": name,
            "node_id": render.node_id("Ref", call.repository.id),
            "url": f"{url}/git/{name}",
            "object": {"type": "commit", "sha": sha, "url": f"{url}/git/commits/{sha}"},
        }
    )


def _short_branch(site: GitHubSite, repository: Repository, name: str, sha: str) -> Json:
    return {
        "name": name,
        "commit": {"sha": sha, "url": f"{render.api(site.world, repository)}/commits/{sha}"},
        "protected": name in repository.protected,
    }


async def list_branches(site: GitHubSite, call: Call) -> Response:
    """``GET /repos/{owner}/{repo}/branches``."""
    found = [
        _short_branch(site, call.repository, ref.removeprefix("refs/heads/"), sha)
        for ref, sha in sorted(call.repository.refs.items())
        if ref.startswith("refs/heads/")
    ]
    page, headers = page_of(call.request, site.world.base_url, found)
    return json_response(page, headers=headers)


async def get_branch(site: GitHubSite, call: Call) -> Response:
    """``GET /repos/{owner}/{repo}/branches/{branch}``."""
    repository, name = call.repository, call.params["branch"]
    sha = repository.branch(name)
    if sha is None:
        raise Refusal(404, "Branch not found")
    (commit,) = await site.git.commits(repository.directory, sha, limit=1)
    parents = (await site.git.text(repository.directory, "rev-parse", f"{sha}^@")).split()
    url = render.api(site.world, repository)

    def commit_url(oid: str) -> str:
        return f"{url}/commits/{oid}"

    page = f"{render.html(site.world, repository)}/commit"
    described: Json = {
        "sha": sha,
        "node_id": render.node_id("Commit", repository.id),
        "url": commit_url(sha),
        "html_url": f"{page}/{sha}",
        "comments_url": f"{commit_url(sha)}/comments",
        "author": None,
        "committer": None,
        "commit": {
            "url": f"{url}/git/commits/{sha}",
            "message": commit.message,
            "comment_count": 0,
            "author": {"name": commit.author_name, "email": commit.author_email, "date": commit.when},
            "committer": {"name": commit.committer_name, "email": commit.committer_email, "date": commit.when},
            "tree": {"sha": commit.tree, "url": f"{url}/git/trees/{commit.tree}"},
        },
        "parents": [{"sha": oid, "url": commit_url(oid), "html_url": f"{page}/{oid}"} for oid in parents],
    }
    protection = f"{url}/branches/{quote(name)}/protection"
    return json_response(
        _short_branch(site, repository, name, sha)
        | {
            "commit": described,
            "protection": {"enabled": name in repository.protected},
            "protection_url": protection,
            "_links": {
                "self": f"{url}/branches/{quote(name)}",
                "html": f"{render.html(site.world, repository)}/tree/{quote(name)}",
            },
        }
    )


ROUTES = (
    Route("GET", "/repos/{owner}/{repo}/contents", CONTENTS, get_contents),
    Route("GET", "/repos/{owner}/{repo}/contents/{path:rest}", CONTENTS, get_contents),
    Route("GET", "/repos/{owner}/{repo}/git/ref/{ref:rest}", CONTENTS, get_ref),
    Route("GET", "/repos/{owner}/{repo}/branches", CONTENTS, list_branches),
    Route("GET", "/repos/{owner}/{repo}/branches/{branch:rest}", CONTENTS, get_branch),
)
