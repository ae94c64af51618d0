"""What a change may do to a tree that no workspace shows whole: nothing of it goes without a word."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from app.demo.simulator.git import File, FileContent
from app.demo.simulator.state import Issue
from bot.model.jobs import Job, JobState
from tests.app.store.backends import Lender
from tests.bot.handlers.bench import Bench, ForgeBench, GitLabBench, open_bench
from tests.scenarios.play import ANSWER

CHANGE = {"fees.py": ANSWER.encode()}
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 123\n"
TREE: dict[str, FileContent] = {
    "vendor-lib": File(content=b"1" * 40, mode="160000"),
    "link": File(content=b"real", mode="120000"),
    "links/one": File(content=b"../real", mode="120000"),
    "src/config.py": "X = 1\n",
    "données/é.txt": "une\n",
    "model.bin": POINTER % (b"a" * 64),
}


@pytest.fixture
async def bench(databases: Lender, tmp_path: Path) -> AsyncIterator[Bench]:
    async with open_bench(tmp_path, await databases.fresh()) as bench:
        await bench.sim.people.commit(bench.repository, "main", TREE, author=bench.maintainer)
        yield bench


async def implemented(bench: ForgeBench, changed: dict[str, bytes], *deleted: str) -> tuple[Issue, Job]:
    issue = bench.sim.people.open_issue(bench.repository, author=bench.author, title="A fee below zero", body="Refuse.")
    bench.sim.people.comment(issue, bench.maintainer, "/flowforge implement")
    await bench.work()
    await bench.finish(changed, deleted=deleted)
    await bench.work()
    job = await bench.store.jobs.latest(bench.ref, -issue.number)
    assert job is not None
    assert bench.errors == []
    return issue, job


def said(bench: ForgeBench, issue: Issue) -> str:
    return "\n".join(one.body for one in bench.sim.comments(issue, bench.sim.bot))


HIDDEN = {
    "vendor-lib/evil.c": "`vendor-lib` is a submodule",
    "vendor-lib": "Here is a submodule",
    "link/x": "`link` is a symbolic link",
    "links": "Here is a directory",
    "README.md/x": "`README.md` is a file",
    "src/Config.py": "`src/config.py` is there as well",
}


async def test_a_new_file_takes_no_place_of_what_the_agent_could_not_see(bench: Bench) -> None:
    issue, job = await implemented(bench, {**CHANGE, **dict.fromkeys(HIDDEN, b"int x;\n")})
    assert (job.state, job.rule) == (JobState.UNRESOLVED, "gate"), job.message
    assert bench.branches == {}
    words = said(bench, issue)
    assert {path: reason for path, reason in HIDDEN.items() if f"`{path}`: {reason}" not in words} == {}


async def test_no_deletion_reaches_what_the_agent_could_not_see(bench: Bench) -> None:
    hidden = ("vendor-lib", "link", "links", "src", "nothing.py")
    issue, job = await implemented(bench, {"fees.py": b"x\n"}, *hidden)
    assert (job.state, job.rule) == (JobState.UNRESOLVED, "gate"), job.message
    words = said(bench, issue)
    assert [path for path in hidden if f"`{path}`: There is no file here" not in words] == []


async def test_a_swapped_pointer_is_named_where_people_decide(bench: Bench) -> None:
    await implemented(bench, {**CHANGE, "model.bin": POINTER % (b"b" * 64)})
    (draft,) = [one for one in bench.repository.pull_requests() if one.author is bench.sim.bot]
    assert "`model.bin`: This is a pointer of Git LFS" in draft.body


CI = {
    "ci/main.yml": "include:\n  - local: ci/build.yml\n",
    "ci/build.yml": "include: {local: 'jobs/*.yml'}\nbuild: {script: make}\n",
    "jobs/test.yml": "include: deep/last.yml\n",
    "compose.yml": "services: {}\n",
}
PARTS = {
    "ci/main.yml": b"build: {script: id}\n",
    "ci/build.yml": b"build: {script: id}\n",
    "jobs/new.yml": b"new: {script: id}\n",
    "deep/last.yml": b"last: {script: id}\n",
}


async def test_what_the_pipeline_of_a_gitlab_project_includes_is_never_pushed(gitlab: GitLabBench) -> None:
    await gitlab.sim.people.commit(gitlab.repository, "main", CI, author=gitlab.maintainer)
    gitlab.repository.ci_config_path = "ci/main.yml"
    issue, job = await implemented(gitlab, {**CHANGE, **PARTS, "compose.yml": b"services: {a: {}}\n"})
    assert (job.state, job.rule) == (JobState.UNRESOLVED, "gate"), job.message
    assert gitlab.branches == {}
    words = said(gitlab, issue)
    assert [
        path for path in PARTS if f"`{path}`: The project's pipeline is, or may be, made of this" not in words
    ] == []
    assert "`compose.yml`: The project's" not in words
