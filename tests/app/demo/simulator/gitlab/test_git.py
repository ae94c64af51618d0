import base64
from pathlib import Path

import gitlab
import pytest

from app.demo.simulator.state import Role
from tests.app.demo.simulator.conftest import git
from tests.app.demo.simulator.gitlab.conftest import PATH, Lab


async def test_files_through_python_gitlab(lab: Lab) -> None:
    def read(client: gitlab.Gitlab) -> tuple[bytes, bytes, str]:
        files = client.projects.get("acme/pay/core", lazy=True).files
        raw = files.raw("src/ä b.txt", ref="main")
        assert isinstance(raw, bytes)
        return files.get("fee.py", ref=lab.pull.head_sha).decode(), raw, files.get("fee.py", "main").commit_id

    assert await lab.ask(read) == (b"rate = 2\n", b"text", lab.project.branch("main"))
    files = f"/projects/{PATH}/repository/files"
    assert (await lab("GET", f"{files}/none.yml?ref=main")).json() == {"message": "404 File Not Found"}
    assert (await lab("GET", f"{files}/fee.py?ref=nowhere")).json() == {"message": "404 Commit Not Found"}
    assert (await lab("GET", f"{files}/fee.py")).json() == {"error": "ref is missing"}
    assert (await lab("GET", f"{files}/..%2Ffee.py?ref=main")).status_code == 400
    assert (await lab("GET", f"{files}/src?ref=main")).status_code == 404


async def test_trees_and_sizes(lab: Lab) -> None:
    path = f"/projects/{PATH}/repository"
    listed = (await lab("GET", f"{path}/tree?ref=HEAD")).json()
    assert [(one["path"], one["type"]) for one in listed] == [("src", "tree"), ("fee.py", "blob")]
    assert [one["name"] for one in (await lab("GET", f"{path}/tree?ref=main&path=src")).json()] == ["ä b.txt"]
    head = await lab("HEAD", f"{path}/files/fee.py?ref=main")
    assert (head.content, head.headers["x-gitlab-size"]) == (b"", "9")
    assert (await lab("HEAD", f"{path}/files/src?ref=main")).status_code == 404
    holding = (await lab("GET", f"{path}/commits/{lab.pull.head_sha}/merge_requests")).json()
    assert [one["iid"] for one in holding] == [1]
    assert (await lab("GET", f"{path}/commits/main/merge_requests")).json() == []


async def test_branches_and_commits(lab: Lab) -> None:
    await lab.sim.people.commit(lab.project, "other/feature", {"x": "y"}, author=lab.ada)
    branch = (await lab("GET", f"/projects/{PATH}/repository/branches/other%2Ffeature")).json()
    assert branch["commit"]["id"] == lab.project.branch("other/feature")
    assert len((await lab("GET", f"/projects/{PATH}/repository/branches?search=feature")).json()) == 2
    assert (await lab("GET", f"/projects/{PATH}/repository/branches/none")).json() == {
        "message": "404 Branch Not Found"
    }
    commit = (await lab("GET", f"/projects/{PATH}/repository/commits/feature")).json()
    assert (commit["id"], commit["author_email"]) == (lab.pull.head_sha, lab.ada.email)


async def test_clone_and_push_over_http(lab: Lab, tmp_path: Path) -> None:
    url = lab.sim.clone_url(lab.project)
    cloned = await git(tmp_path, "clone", "-q", "-b", "feature", url, "work", token=lab.sim.token)
    assert cloned.status == 0, cloned.err
    work = tmp_path / "work"
    refs = (await git(work, "ls-remote", "origin", token=lab.sim.token)).out
    assert f"{lab.pull.head_sha}\trefs/merge-requests/1/head" in refs
    assert "/merge\n" not in refs
    (work / "fee.py").write_text("rate = 5\n")
    await git(work, "commit", "-qam", "Mine")
    assert (await git(work, "push", "-q", "origin", "HEAD:feature", token=lab.sim.token)).status == 0
    assert lab.pull.head_sha == lab.project.branch("feature") == (await git(work, "rev-parse", "HEAD")).out.strip()
    hidden = await git(work, "push", "origin", "HEAD:refs/merge-requests/9/head", token=lab.sim.token)
    assert hidden.status != 0
    lab.sim.people.protect(lab.project, "main")
    refused = await git(work, "push", "-f", "origin", "HEAD:main", token=lab.sim.token)
    assert "You are not allowed to push code to protected branches" in refused.err


@pytest.mark.parametrize(
    ("role", "scopes", "words"),
    [
        (Role.READ, {"api"}, "could not be found"),
        (Role.TRIAGE, {"api"}, "not allowed to push code"),
        (Role.WRITE, {"read_repository"}, "insufficient scope"),
        (Role.NONE, {"api"}, "could not be found"),
    ],
)
async def test_who_may_not_push(lab: Lab, role: Role, scopes: set[str], words: str) -> None:
    lab.sim.people.set_role(lab.project, lab.eve, role)
    token = lab.sim.people.access_token(lab.eve, scopes=frozenset(scopes)).value
    basic = base64.b64encode(f"oauth2:{token}".encode()).decode()
    answer = await lab.http.get(
        "/acme/pay/core.git/info/refs?service=git-receive-pack", headers={"authorization": f"Basic {basic}"}
    )
    assert answer.status_code in {403, 404}
    assert words in answer.text


async def test_git_without_a_token_is_asked_for_one(lab: Lab) -> None:
    for path in ("/acme/pay/core.git", "/acme/none.git"):
        answer = await lab.http.get(f"{path}/info/refs?service=git-upload-pack")
        assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Basic realm="GitLab"')


async def test_members_push_to_a_fork_that_allows_it(lab: Lab, tmp_path: Path) -> None:
    people = lab.sim.people
    public = await people.repository("acme/open", files={"a": "1"}, private=False, roles={lab.ada: Role.WRITE})
    fork = await people.fork(public, lab.eve)
    await people.commit(fork, "patch", {"a": "2"}, author=lab.eve)
    pull = await people.open_pull_request(public, author=lab.eve, head="patch", head_repository=fork)
    work = tmp_path / "work"
    await git(tmp_path, "clone", "-q", "-b", "patch", lab.sim.clone_url(fork), "work", token=lab.sim.token)
    await git(work, "commit", "-q", "--allow-empty", "-m", "Ours")
    elsewhere = await git(work, "push", "origin", "HEAD:other", token=lab.sim.token)
    assert elsewhere.status != 0
    assert (await git(work, "push", "-q", "origin", "HEAD:patch", token=lab.sim.token)).status == 0
    assert pull.head_sha == fork.branch("patch")
    pull.maintainer_can_modify = False
    await git(work, "commit", "-q", "--allow-empty", "-m", "Again")
    assert "not allowed to push code" in (await git(work, "push", "origin", "HEAD:patch", token=lab.sim.token)).err
