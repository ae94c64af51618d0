import pytest

from app.demo.simulator.state import Role
from tests.app.demo.simulator.conftest import REPO, Bot, World


async def test_mergeable_is_computed_after_somebody_asked(world: World, bot: Bot) -> None:
    first = (await bot("GET", f"{REPO}/pulls/1")).json()
    assert (first["mergeable"], first["mergeable_state"]) == (None, "unknown")
    await world.sim.wait_for(lambda: world.pull.mergeable is not None, what="the merge to be tried")
    second = (await bot("GET", f"{REPO}/pulls/1")).json()
    assert (second["mergeable"], second["mergeable_state"]) == (False, "dirty")
    await world.sim.people.commit(world.repository, "feature", {"fee.py": "rate = 3\n"}, author=world.ada)
    assert (await bot("GET", f"{REPO}/pulls/1")).json()["mergeable"] is None
    await world.sim.wait_for(lambda: world.pull.mergeable, what="a clean merge")
    assert (await bot("GET", f"{REPO}/pulls/1")).json()["mergeable_state"] == "clean"
    await world.sim.people.commit(world.repository, "main", {"fee.py": "rate = 8\n"}, author=world.ada)
    assert (await bot("GET", f"{REPO}/pulls/1")).json()["mergeable"] is None


async def test_pull_request_as_described(world: World, bot: Bot) -> None:
    body = (await bot("GET", f"{REPO}/pulls/1")).json()
    assert (body["head"]["ref"], body["head"]["sha"]) == ("feature", world.pull.head_sha)
    assert (body["base"]["ref"], body["base"]["sha"]) == ("main", world.repository.branch("main"))
    assert body["head"]["repo"]["id"] == world.repository.id
    assert (body["state"], body["merged"], body["draft"], body["maintainer_can_modify"]) == (
        "open",
        False,
        False,
        False,
    )
    assert (body["commits"], body["additions"], body["deletions"], body["changed_files"]) == (1, 1, 1, 1)
    assert (await bot("GET", f"{REPO}/pulls/2")).status_code == 404


async def test_base_sha_lags_behind_the_base_branch(world: World, bot: Bot) -> None:
    recorded = world.pull.base_sha
    await world.sim.people.commit(world.repository, "main", {"other": "x"}, author=world.ada)
    assert (await bot("GET", f"{REPO}/pulls/1")).json()["base"]["sha"] == recorded
    await world.sim.people.commit(world.repository, "feature", {"third": "x"}, author=world.ada)
    assert (await bot("GET", f"{REPO}/pulls/1")).json()["base"]["sha"] == world.repository.branch("main")


async def test_list_of_pull_requests(world: World, bot: Bot) -> None:
    people = world.sim.people
    await people.commit(world.repository, "second", {"x": "y"}, author=world.ada)
    second = await people.open_pull_request(world.repository, author=world.ada, head="second", draft=True)
    people.close(second, world.ada)
    assert [one["number"] for one in (await bot("GET", f"{REPO}/pulls")).json()] == [1]
    assert [one["number"] for one in (await bot("GET", f"{REPO}/pulls?state=all")).json()] == [2, 1]
    assert [one["number"] for one in (await bot("GET", f"{REPO}/pulls?state=closed&base=main")).json()] == [2]
    by_head = (await bot("GET", f"{REPO}/pulls?state=all&head=acme:feature")).json()
    assert [one["number"] for one in by_head] == [1]
    assert (await bot("GET", f"{REPO}/pulls?state=x")).status_code == 422
    paged = await bot("GET", f"{REPO}/pulls?state=all&per_page=1&page=1")
    assert len(paged.json()) == 1
    assert f'<{world.sim.base_url}{REPO}/pulls?state=all&per_page=1&page=2>; rel="next"' in paged.headers["link"]


async def test_fork_and_its_loss(world: World, bot: Bot) -> None:
    people = world.sim.people
    fork = await people.fork(world.repository, world.eve)
    await people.commit(fork, "patch", {"fee.py": "rate = 7\n"}, author=world.eve)
    pull = await people.open_pull_request(world.repository, author=world.eve, head="patch", head_repository=fork)
    body = (await bot("GET", f"{REPO}/pulls/{pull.number}")).json()
    assert (body["head"]["repo"]["full_name"], body["head"]["label"]) == ("eve/payments", "eve:patch")
    assert body["head"]["repo"]["fork"] is True
    assert body["maintainer_can_modify"] is True
    await people.delete_repository(fork)
    body = (await bot("GET", f"{REPO}/pulls/{pull.number}")).json()
    assert body["head"]["repo"] is None
    assert body["head"]["sha"] == pull.head_sha


async def test_comment_of_the_app(world: World, bot: Bot) -> None:
    made = await bot("POST", f"{REPO}/issues/1/comments", json={"body": "Ünïcode <!-- marker -->"})
    body = made.json()
    assert made.status_code == 201
    assert (body["user"]["login"], body["user"]["type"]) == ("flowforge[bot]", "Bot")
    assert body["performed_via_github_app"]["id"] == world.sim.app.id
    assert made.headers["location"] == body["url"]
    path = f"{REPO}/issues/comments/{body['id']}"
    edited = await bot("PATCH", path, json={"body": "again"})
    assert (edited.json()["body"], (await bot("GET", path)).json()["body"]) == ("again", "again")
    assert (await bot("DELETE", path)).status_code == 204
    assert (await bot("GET", path)).status_code == 404


async def test_comments_come_in_pages(world: World, bot: Bot) -> None:
    for number in range(5):
        world.sim.people.comment(world.pull, world.ada, f"comment {number}")
    path = f"{REPO}/issues/1/comments"
    seen: list[str] = []
    url: str | None = f"{path}?per_page=2"
    while url is not None:
        answer = await bot("GET", url)
        seen += [one["body"] for one in answer.json()]
        url = answer.links.get("next", {}).get("url")
    assert seen == [f"comment {number}" for number in range(5)]
    last = await bot("GET", f"{path}?per_page=2&page=3")
    assert set(last.links) == {"first", "prev"}
    assert last.json()[0]["performed_via_github_app"] is None


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"body": "x" * 65_537}, "Body is too long (maximum is 65536 characters)"),
        ({"body": " \n"}, "Body cannot be blank"),
    ],
)
async def test_comment_limits(world: World, bot: Bot, body: dict[str, str], message: str) -> None:
    refused = await bot("POST", f"{REPO}/issues/1/comments", json=body)
    assert (refused.status_code, refused.json()["errors"][0]["message"]) == (422, message)
    assert world.pull.comments == {}


async def test_comment_of_the_largest_size_and_of_no_text(bot: Bot) -> None:
    path = f"{REPO}/issues/1/comments"
    assert (await bot("POST", path, json={"body": "ä" * 65_536})).status_code == 201
    assert (await bot("POST", path, json={})).status_code == 422
    assert (await bot("POST", path, json={"body": 7})).status_code == 422
    assert (await bot("POST", f"{REPO}/issues/9/comments", json={"body": "x"})).status_code == 404


async def test_app_changes_its_own_comments_only(world: World, bot: Bot) -> None:
    comment = world.sim.people.comment(world.pull, world.ada, "mine")
    path = f"{REPO}/issues/comments/{comment.id}"
    assert (await bot("PATCH", path, json={"body": "yours"})).status_code == 403
    assert (await bot("DELETE", path)).status_code == 403
    assert comment.body == "mine"
    bot.token = world.sim.people.token(world.eve)
    assert (await bot("PATCH", path, json={"body": "yours"})).status_code == 403
    world.sim.people.set_role(world.repository, world.eve, Role.WRITE)
    assert (await bot("PATCH", path, json={"body": "yours"})).status_code == 200


async def test_reaction_twice_is_once(world: World, bot: Bot) -> None:
    comment = world.sim.people.comment(world.pull, world.ada, "/flowforge resolve")
    path = f"{REPO}/issues/comments/{comment.id}/reactions"
    first = await bot("POST", path, json={"content": "eyes"})
    second = await bot("POST", path, json={"content": "eyes"})
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert [(one.account.login, one.content) for one in comment.reactions] == [("flowforge[bot]", "eyes")]
    assert [one["content"] for one in (await bot("GET", path)).json()] == ["eyes"]
    assert (await bot("POST", path, json={"content": "shrug"})).status_code == 422
    assert (await bot("GET", f"{REPO}/issues/comments/{comment.id}")).json()["reactions"]["eyes"] == 1


async def test_issue_and_pull_request_as_issue(world: World, bot: Bot) -> None:
    issue = world.sim.people.open_issue(world.repository, author=world.eve, title="Slow", body="very")
    plain = (await bot("GET", f"{REPO}/issues/{issue.number}")).json()
    assert (plain["title"], plain["body"]) == ("Slow", "very")
    assert "pull_request" not in plain
    assert (await bot("GET", f"{REPO}/issues/1")).json()["pull_request"]["url"].endswith("/pulls/1")
    assert (await bot("GET", f"{REPO}/pulls/{issue.number}")).status_code == 404
