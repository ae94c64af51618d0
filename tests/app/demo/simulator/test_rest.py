import base64

import httpx

from app.demo.simulator.git import File
from app.demo.simulator.state import Role
from tests.app.demo.simulator.conftest import REPO, Bot, World


async def test_it_says_what_it_is(world: World, bot: Bot) -> None:
    answer = await bot("GET", "/")
    assert "simulator" in answer.json()["message"]
    assert answer.headers["server"] == "FlowForge simulator"
    assert world.sim.base_url.startswith("http://127.0.0.1:")


async def test_repository_by_name_by_id_and_after_a_rename(world: World, bot: Bot) -> None:
    by_name = await bot("GET", "/repos/Acme/Payments")
    assert by_name.json()["full_name"] == "acme/payments"
    by_id = await bot("GET", f"/repositories/{world.repository.id}")
    assert by_id.json() == by_name.json()
    world.sim.people.rename_repository(world.repository, "money")
    moved = await bot("GET", f"{REPO}/pulls?state=all")
    assert moved.status_code == 301
    assert moved.headers["location"] == f"{world.sim.base_url}/repositories/{world.repository.id}/pulls?state=all"
    assert (await bot("POST", f"{REPO}/check-runs", json={})).status_code == 307
    followed = await bot("GET", f"{REPO}/pulls/1", follow_redirects=True)
    assert followed.json()["base"]["repo"]["full_name"] == "acme/money"


async def test_contents_of_files_directories_links_and_submodules(world: World, bot: Bot) -> None:
    sim = world.sim
    await sim.people.commit(
        world.repository,
        "main",
        {
            "src/ä b.txt": "text",
            "link": File(content=b"fee.py", mode="120000"),
            "out": File(content=b"../../etc/passwd", mode="120000"),
            "lib": File(content=world.pull.head_sha.encode(), mode="160000"),
            "large.bin": b"\0" * (1024 * 1024 + 1),
        },
        author=world.ada,
    )
    file = (await bot("GET", f"{REPO}/contents/fee.py?ref=main")).json()
    assert (file["type"], base64.b64decode(file["content"])) == ("file", b"rate = 3\n")
    assert base64.b64decode((await bot("GET", f"{REPO}/contents/src/ä b.txt")).json()["content"]) == b"text"
    old = (await bot("GET", f"{REPO}/contents/fee.py?ref={world.pull.head_sha}")).json()
    assert base64.b64decode(old["content"]) == b"rate = 2\n"
    link = (await bot("GET", f"{REPO}/contents/link")).json()
    assert (link["type"], base64.b64decode(link["content"])) == ("file", b"rate = 3\n")
    out = (await bot("GET", f"{REPO}/contents/out")).json()
    assert (out["type"], out["target"]) == ("symlink", "../../etc/passwd")
    assert (await bot("GET", f"{REPO}/contents/lib")).json()["type"] == "submodule"
    large = (await bot("GET", f"{REPO}/contents/large.bin")).json()
    assert (large["encoding"], large["content"], large["size"]) == ("none", "", 1024 * 1024 + 1)
    listed = (await bot("GET", f"{REPO}/contents/")).json()
    assert {one["path"]: one["type"] for one in listed} | {"large.bin": "file"} == {
        "README.md": "file",
        "fee.py": "file",
        "large.bin": "file",
        "lib": "submodule",
        "link": "symlink",
        "out": "symlink",
        "src": "dir",
    }
    assert [one["name"] for one in (await bot("GET", f"{REPO}/contents/src")).json()] == ["ä b.txt"]


async def test_contents_that_are_not_there(bot: Bot) -> None:
    assert (await bot("GET", f"{REPO}/contents/.flowforge.yml?ref=main")).status_code == 404
    assert (await bot("GET", f"{REPO}/contents/fee.py?ref=nowhere")).status_code == 404
    assert (await bot("GET", f"{REPO}/contents/fee.py?ref=--help")).status_code == 404


async def test_contents_raw(bot: Bot) -> None:
    raw = await bot("GET", f"{REPO}/contents/fee.py", headers={"accept": "application/vnd.github.raw+json"})
    assert raw.content == b"rate = 3\n"


async def test_refs_and_branches(world: World, bot: Bot) -> None:
    main = world.repository.branch("main")
    assert (await bot("GET", f"{REPO}/git/ref/heads/main")).json()["object"]["sha"] == main
    assert (await bot("GET", f"{REPO}/git/ref/heads/nowhere")).status_code == 404
    world.sim.people.protect(world.repository, "main")
    listed = (await bot("GET", f"{REPO}/branches")).json()
    assert {one["name"]: one["protected"] for one in listed} == {"feature": False, "main": True}
    branch = (await bot("GET", f"{REPO}/branches/main")).json()
    assert (branch["commit"]["sha"], branch["protection"]["enabled"]) == (main, True)
    assert (await bot("GET", f"{REPO}/branches/nowhere")).status_code == 404


async def test_permission_of_a_person(world: World, bot: Bot) -> None:
    told = {
        Role.NONE: ("none", "none"),
        Role.READ: ("read", "read"),
        Role.TRIAGE: ("read", "triage"),
        Role.WRITE: ("write", "write"),
        Role.MAINTAIN: ("write", "maintain"),
        Role.ADMIN: ("admin", "admin"),
    }
    for role, words in told.items():
        world.sim.people.set_role(world.repository, world.eve, role)
        body = (await bot("GET", f"{REPO}/collaborators/eve/permission")).json()
        assert (body["permission"], body["role_name"]) == words
        assert body["user"]["id"] == world.eve.id


async def test_permission_of_nobody(bot: Bot) -> None:
    assert (await bot("GET", f"{REPO}/collaborators/nobody/permission")).status_code == 404


async def test_accounts(world: World, bot: Bot) -> None:
    ours = (await bot("GET", "/users/flowforge[bot]")).json()
    assert (ours["id"], ours["type"]) == (world.sim.bot.id, "Bot")
    assert (await bot("GET", f"/user/{world.ada.id}")).json()["login"] == "ada"
    world.sim.people.rename_account(world.ada, "countess")
    assert (await bot("GET", f"/user/{world.ada.id}")).json()["login"] == "countess"
    assert (await bot("GET", "/users/ada")).status_code == 404
    assert (await bot("GET", "/user/1")).status_code == 404


async def test_rate_limit_counts_and_refuses(world: World, bot: Bot) -> None:
    first = await bot("GET", REPO)
    second = await bot("GET", REPO)
    left = [int(answer.headers["x-ratelimit-remaining"]) for answer in (first, second)]
    assert left[0] - left[1] == 1
    assert (await bot("GET", "/rate_limit")).json()["resources"]["core"]["remaining"] == left[1]
    world.sim.limits.limit = int(second.headers["x-ratelimit-used"])
    refused = await bot("GET", REPO)
    assert (refused.status_code, refused.headers["x-ratelimit-remaining"]) == (403, "0")
    assert int(refused.headers["x-ratelimit-reset"]) > world.clock.now().timestamp()
    world.clock.pass_by(minutes=59, seconds=59)
    assert (await bot("GET", REPO)).status_code == 403
    await bot.sign_in(world.repository)
    world.clock.pass_by(seconds=1)
    assert (await bot("GET", REPO)).status_code == 200


async def test_unchanged_answer_is_304_and_free(world: World, bot: Bot) -> None:
    first = await bot("GET", f"{REPO}/contents/fee.py")
    again = await bot("GET", f"{REPO}/contents/fee.py", headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["x-ratelimit-used"] == first.headers["x-ratelimit-used"]
    await world.sim.people.commit(world.repository, "main", {"fee.py": "rate = 9\n"}, author=world.ada)
    changed = await bot("GET", f"{REPO}/contents/fee.py", headers={"if-none-match": first.headers["etag"]})
    assert changed.status_code == 200


async def test_unchanged_answer_is_free_for_those_github_knows(bot: Bot) -> None:
    path = "/users/ada"
    first = await bot.http.get(path)
    again = await bot.http.get(path, headers={"if-none-match": f'"other", {first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert int(again.headers["x-ratelimit-used"]) == int(first.headers["x-ratelimit-used"]) + 1


async def test_the_secondary_limits_are_counted_and_kept_where_they_are_enforced(world: World, bot: Bot) -> None:
    secondary, comments = world.sim.limits.secondary, f"{REPO}/issues/1/comments"

    async def write(times: int) -> list[int]:
        return [(await bot("POST", comments, json={"body": "x"})).status_code for _ in range(times)]

    assert await write(81) == [201] * 81
    assert (secondary.peaks.creations, secondary.peaks.points, secondary.peaks.within()) == (81, 405, False)
    secondary.enforced = True
    refused = await bot("POST", comments, json={"body": "x"})
    assert (refused.status_code, refused.headers["retry-after"]) == (403, "60")
    assert "secondary rate limit" in refused.json()["message"]
    assert (await bot("GET", REPO)).status_code == 200
    world.clock.pass_by(seconds=61)
    assert await write(80) == [201] * 80
    assert await write(1) == [403]


async def test_what_github_asks_of_every_request(world: World, bot: Bot) -> None:
    old = await bot("GET", REPO, headers={"x-github-api-version": "2019-01-01"})
    assert old.status_code == 400
    new = await bot("GET", REPO, headers={"x-github-api-version": "2026-03-10"})
    assert new.headers["x-github-api-version-selected"] == "2026-03-10"
    nameless = httpx.Request("GET", f"{world.sim.base_url}{REPO}")
    assert (await bot.http.send(nameless)).status_code == 403
    assert (await bot("GET", "/repos/acme/payments/nonsense")).status_code == 404
    broken = await bot("POST", f"{REPO}/issues/1/comments", content=b"{", headers={"content-type": "application/json"})
    assert (broken.status_code, broken.json()["message"]) == (400, "Problems parsing JSON")
    listed = await bot("POST", f"{REPO}/issues/1/comments", json=["x"])
    assert listed.status_code == 400
    huge = await bot("POST", f"{REPO}/issues/1/comments", content=b" " * (25 * 1024 * 1024 + 1))
    assert huge.status_code == 413
