"""Endpoints that read git: files, branches and commits. Source: https://docs.gitlab.com/api/repository_files/ ."""

import base64
import hashlib
import posixpath

from app.demo.simulator.gitlab import render
from app.demo.simulator.gitlab.messages import malformed, not_found, page_of
from app.demo.simulator.gitlab.render import Json
from app.demo.simulator.gitlab.routes import CODE, Call, Route
from app.demo.simulator.gitlab.site import GitLabSite
from app.demo.simulator.messages import Response, json_response
from app.demo.simulator.state import Repository, Role


async def _resolve(site: GitLabSite, repository: Repository, ref: str) -> str | None:
    """The commit that a branch, tag, id or ``HEAD`` names: everywhere that is the tip of the default branch."""
    return await site.git.resolve(repository, repository.default_branch if ref == "HEAD" else ref)


async def _blob(site: GitLabSite, call: Call) -> tuple[str, str, bytes]:
    """The commit, the blob's id and the content of the file of the path. Raises ``Denial`` 400 or 404."""
    ref, path = call.request.query.get("ref"), call.params["path"]
    if not ref and not call.request.path.endswith("/raw"):
        raise malformed("ref is missing")
    if posixpath.normpath(path) != path or path.startswith(("/", "..")):
        raise malformed("file_path should be a valid file path")
    repository = call.repository
    commit = await _resolve(site, repository, ref or "HEAD")
    if commit is None:
        raise not_found("Commit")
    found = await site.git.entry(repository.directory, commit, path)
    if found is None or found[1] != "blob":
        raise not_found("File")
    return commit, found[2], await site.git.blob(repository.directory, found[2])


async def get_file(site: GitLabSite, call: Call) -> Response:
    """``GET /projects/:id/repository/files/:file_path?ref=``. A link answers with its own target as content."""
    commit, oid, content = await _blob(site, call)
    path = call.params["path"]
    return json_response(
        headers={"x-gitlab-size": str(len(content)), "x-gitlab-blob-id": oid, "x-gitlab-commit-id": commit},
        value={
            "file_name": posixpath.basename(path),
            "file_path": path,
            "size": len(content),
            "encoding": "base64",
            "content_sha256": hashlib.sha256(content).hexdigest(),
            "ref": call.request.query["ref"],
            "blob_id": oid,
            "commit_id": commit,
            "last_commit_id": commit,
            "execute_filemode": False,
            "content": base64.b64encode(content).decode("ascii"),
        },
    )


async def list_tree(site: GitLabSite, call: Call) -> Response:
    """``GET /projects/:id/repository/tree?path=&ref=``. Source: https://docs.gitlab.com/api/repositories/ ."""
    query, repository = call.request.query, call.repository
    commit = await _resolve(site, repository, query.get("ref") or "HEAD")
    if commit is None:
        raise not_found("Tree")
    path = query.get("path", "").strip("/")
    found = [
        {"id": oid, "name": posixpath.basename(name), "type": kind, "path": name, "mode": mode}
        async for mode, kind, oid, name in site.git.entries(repository.directory, commit, f"{path}/" if path else "")
    ]
    if path and not found:
        raise not_found("invalid revision or path Tree")
    found.sort(key=lambda entry: (entry["type"] != "tree", entry["path"]))
    return page_of(call.request, site.world.base_url, found)


async def list_commit_pulls(site: GitLabSite, call: Call) -> Response:
    """``GET /projects/:id/repository/commits/:sha/merge_requests``: those that hold the commit."""
    repository = call.repository
    sha = await _resolve(site, repository, call.params["sha"])
    if sha is None:
        raise not_found("Commit")
    directory = repository.directory
    found = [
        render.merge_request(site.world, pull)
        for pull in repository.pull_requests()
        if await site.git.is_ancestor(directory, sha, pull.head_sha)
        and not await site.git.is_ancestor(directory, sha, pull.base_sha)
    ]
    return page_of(call.request, site.world.base_url, found)


async def get_raw_file(site: GitLabSite, call: Call) -> Response:
    """``GET /projects/:id/repository/files/:file_path/raw?ref=``, of the default branch where it says none."""
    _, oid, content = await _blob(site, call)
    return Response(
        headers={
            "content-type": "text/plain; charset=utf-8",
            "x-gitlab-blob-id": oid,
            "x-gitlab-size": str(len(content)),
            "x-content-type-options": "nosniff",
        },
        body=content,
    )


async def _commit(site: GitLabSite, repository: Repository, sha: str) -> Json:
    (commit,) = await site.git.commits(repository.directory, sha, limit=1)
    parents = (await site.git.text(repository.directory, "rev-parse", f"{sha}^@")).split()
    return {
        "id": commit.sha,
        "short_id": commit.sha[:8],
        "created_at": commit.when,
        "parent_ids": parents,
        "title": commit.message.partition("\n")[0],
        "message": commit.message,
        "author_name": commit.author_name,
        "author_email": commit.author_email,
        "authored_date": commit.when,
        "committer_name": commit.committer_name,
        "committer_email": commit.committer_email,
        "committed_date": commit.when,
        "trailers": {},
        "extended_trailers": {},
        "web_url": f"{render.page(site.world, repository)}/-/commit/{commit.sha}",
    }


async def get_commit(site: GitLabSite, call: Call) -> Response:
    """``GET /projects/:id/repository/commits/:sha``: a branch or a tag does, too."""
    sha = await _resolve(site, call.repository, call.params["sha"])
    if sha is None:
        raise not_found("Commit")
    pipeline = next((one for one in site.world.pipelines_of(call.repository) if one.sha == sha), None)
    return json_response(
        await _commit(site, call.repository, sha)
        | {"status": None if pipeline is None else pipeline.status, "project_id": call.repository.id}
    )


async def _branch(site: GitLabSite, call: Call, name: str, sha: str) -> Json:
    repository = call.repository
    protected = name in repository.protected
    role = Role.NONE if call.asker.account is None else repository.role_of(call.asker.account)
    return {
        "name": name,
        "commit": await _commit(site, repository, sha),
        "merged": False,
        "protected": protected,
        "developers_can_push": False,
        "developers_can_merge": False,
        "can_push": role >= Role.WRITE and not protected,
        "default": name == repository.default_branch,
        "web_url": f"{render.page(site.world, repository)}/-/tree/{name}",
    }


async def get_branch(site: GitLabSite, call: Call) -> Response:
    """``GET /projects/:id/repository/branches/:branch``. Source: https://docs.gitlab.com/api/branches/ ."""
    name = call.params["branch"]
    sha = call.repository.branch(name)
    if sha is None:
        raise not_found("Branch")
    return json_response(await _branch(site, call, name, sha))


async def list_branches(site: GitLabSite, call: Call) -> Response:
    """``GET /projects/:id/repository/branches?search=``, by name."""
    wanted = call.request.query.get("search", "")
    found = [
        await _branch(site, call, name, sha)
        for ref, sha in sorted(call.repository.refs.items())
        if ref.startswith("refs/heads/") and wanted in (name := ref.removeprefix("refs/heads/"))
    ]
    return page_of(call.request, site.world.base_url, found)


_REPOSITORY = "/projects/{project}/repository"

ROUTES = (
    Route("GET", _REPOSITORY + "/files/{path}", CODE, get_file),
    Route("HEAD", _REPOSITORY + "/files/{path}", CODE, get_file),
    Route("GET", _REPOSITORY + "/tree", CODE, list_tree),
    Route("GET", _REPOSITORY + "/commits/{sha}/merge_requests", CODE, list_commit_pulls),
    Route("GET", _REPOSITORY + "/files/{path}/raw", CODE, get_raw_file),
    Route("GET", _REPOSITORY + "/branches", CODE, list_branches),
    Route("GET", _REPOSITORY + "/branches/{branch}", CODE, get_branch),
    Route("GET", _REPOSITORY + "/commits/{sha}", CODE, get_commit),
)
