import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.app.demo.simulator.conftest import REPO, Bot, World, app_jwt

NOW = 1_795_442_400
"""The hand-set clock's time."""


async def _app(bot: Bot, token: str) -> tuple[int, str]:
    answer = await bot.http.get("/app", headers={"authorization": f"Bearer {token}"})
    return answer.status_code, answer.json().get("message", "")


async def test_app_knows_itself(world: World, bot: Bot) -> None:
    body = (await bot.as_app("GET", "/app")).json()
    assert (body["id"], body["slug"], body["installations_count"]) == (world.sim.app.id, "flowforge", 1)
    assert body["permissions"] == world.sim.app.permissions
    assert (await bot.as_app("GET", "/apps/flowforge")).json()["id"] == world.sim.app.id


async def test_jwt_must_be_young_and_ours(world: World, bot: Bot) -> None:
    said: dict[str, list[dict[str, object]]] = {
        "'Issued at' claim ('iat') must be an Integer": [{"iat": NOW + 61}, {"iat": "now"}],
        "'Expiration time' claim ('exp') is too far in the future": [{"exp": NOW + 601}],
        "'Expiration time' claim ('exp') must be a numeric value": [{"exp": NOW}, {"exp": "soon"}],
        "Integration not found": [{"iss": "999"}],
    }
    for words, cases in said.items():
        for changes in cases:
            status, message = await _app(bot, app_jwt(world.sim, **changes))
            assert (status, message[: len(words)]) == (401, words)


async def test_jwt_may_be_a_minute_ahead_and_name_the_client_id(world: World, bot: Bot) -> None:
    token = app_jwt(world.sim, iat=NOW + 60, exp=NOW + 600, iss=world.sim.app.client_id)
    assert (await _app(bot, token))[0] == 200


async def test_jwt_signed_by_another_key_or_by_none_is_refused(world: World, bot: Bot) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    claims = {"iat": NOW - 60, "exp": NOW + 500, "iss": str(world.sim.app.id)}
    for token in (jwt.encode(claims, other, algorithm="RS256"), jwt.encode(claims, "", algorithm="none"), "a.b.c"):
        assert await _app(bot, token) == (401, "A JSON web token could not be decoded")


async def test_token_is_long_and_lasts_an_hour(world: World, bot: Bot) -> None:
    answer = await bot.token_for({})
    body = answer.json()
    assert body["token"].startswith(f"ghs_{world.sim.app.id}_")
    assert len(body["token"]) > 200
    assert body["expires_at"] == "2026-11-23T15:00:00Z"
    assert body["repository_selection"] == "all"
    bot.token = body["token"]
    world.clock.pass_by(minutes=59)
    assert (await bot("GET", REPO)).status_code == 200
    world.clock.pass_by(minutes=1)
    refused = await bot("GET", REPO)
    assert (refused.status_code, refused.json()["message"]) == (401, "Bad credentials")


async def test_token_is_kept_out_of_the_record(world: World, bot: Bot) -> None:
    await bot("GET", REPO)
    for exchange in world.sim.record.exchanges:
        assert "authorization" not in exchange.request_headers
        assert bot.token.encode() not in exchange.response_body
    assert world.sim.record.exchanges[-1].who.startswith("installation ")


async def test_token_can_be_narrowed_but_not_widened(world: World, bot: Bot) -> None:
    narrow = await bot.token_for({"repository_ids": [world.repository.id], "permissions": {"contents": "read"}})
    assert narrow.json()["permissions"] == {"contents": "read", "metadata": "read"}
    assert [one["full_name"] for one in narrow.json()["repositories"]] == ["acme/payments"]
    for permissions in ({"workflows": "write"}, {"administration": "read"}, {"metadata": "write"}, {"contents": "own"}):
        wide = await bot.token_for({"permissions": permissions})
        assert wide.status_code == 422
        assert wide.json()["message"] == "The permissions requested are not granted to this installation."


async def test_token_for_a_repository_that_is_not_covered_is_refused(world: World, bot: Bot) -> None:
    other = await world.sim.people.repository("umbrella/secrets", files={"a": "b"}, installed=False)
    refused = await bot.token_for({"repository_ids": [world.repository.id, other.id]})
    assert refused.status_code == 422
    assert "not accessible to the parent installation" in refused.json()["message"]
    assert (await bot.token_for({"repositories": ["payments"]})).status_code == 201
    assert (await bot.as_app("GET", "/repos/umbrella/secrets/installation")).status_code == 404


async def test_installation_can_be_read(bot: Bot) -> None:
    found = await bot.as_app("GET", f"{REPO}/installation")
    one = await bot.as_app("GET", f"/app/installations/{found.json()['id']}")
    listed = await bot.as_app("GET", "/app/installations")
    assert found.json() == one.json() == listed.json()[0]
    assert found.json()["account"]["login"] == "acme"


async def test_token_reaches_its_repository_only(world: World, bot: Bot) -> None:
    await world.sim.people.repository("acme/ledger", files={"a": "b"})
    await bot.sign_in(world.repository)
    assert (await bot("GET", "/repos/acme/ledger")).status_code == 404
    listed = (await bot("GET", "/installation/repositories")).json()
    assert [one["full_name"] for one in listed["repositories"]] == ["acme/payments"]


async def test_public_repository_can_be_read_by_anyone_and_written_by_nobody(world: World, bot: Bot) -> None:
    await world.sim.people.repository("umbrella/open", files={"a": "b"}, private=False, installed=False)
    assert (await bot("GET", "/repos/umbrella/open/contents/a")).status_code == 200
    assert (await bot.http.get("/repos/umbrella/open/contents/a")).status_code == 200
    check = {"name": "x", "head_sha": "0" * 40}
    assert (await bot("POST", "/repos/umbrella/open/check-runs", json=check)).status_code == 403
    assert (await bot.http.post("/repos/umbrella/open/check-runs", json=check)).status_code == 401
    assert (await bot.http.get(REPO)).status_code == 404


READS = {
    f"{REPO}/contents/fee.py": "contents",
    f"{REPO}/git/ref/heads/main": "contents",
    f"{REPO}/branches": "contents",
    f"{REPO}/branches/main": "contents",
    f"{REPO}/pulls": "pull_requests",
    f"{REPO}/pulls/1": "pull_requests",
    f"{REPO}/issues/1/comments": "pull_requests",
    f"{REPO}/commits/main/check-runs": "checks",
}


async def test_every_read_needs_its_permission(world: World, bot: Bot) -> None:
    statuses = {}
    for path, permission in READS.items():
        await bot.sign_in(world.repository, {permission: "read"})
        allowed = await bot("GET", path)
        await bot.sign_in(world.repository, dict.fromkeys({*READS.values()} - {permission}, "read"))
        refused = await bot("GET", path)
        statuses[path] = (allowed.status_code, refused.status_code, refused.json()["message"])
    assert statuses == dict.fromkeys(READS, (200, 403, "Resource not accessible by integration"))


async def test_every_write_needs_its_permission(world: World, bot: Bot) -> None:
    comment = world.sim.people.comment(world.pull, world.ada, "/flowforge resolve")
    writes = [
        ("POST", f"{REPO}/issues/1/comments", {"body": "x"}, "issues"),
        ("POST", f"{REPO}/issues/comments/{comment.id}/reactions", {"content": "eyes"}, "pull_requests"),
        ("POST", f"{REPO}/check-runs", {"name": "FlowForge", "head_sha": world.pull.head_sha}, "checks"),
    ]
    for method, path, body, permission in writes:
        await bot.sign_in(world.repository, dict.fromkeys(world.sim.app.permissions, "read"))
        refused = await bot(method, path, json=body)
        assert (refused.status_code, refused.json()["message"]) == (403, "Resource not accessible by integration")
        await bot.sign_in(world.repository, {permission: "write"})
        assert (await bot(method, path, json=body)).status_code == 201


async def test_a_plain_issue_needs_the_permission_on_issues(world: World, bot: Bot) -> None:
    issue = world.sim.people.open_issue(world.repository, author=world.eve, title="Slow")
    path = f"{REPO}/issues/{issue.number}/comments"
    await bot.sign_in(world.repository, {"pull_requests": "write"})
    assert (await bot("POST", path, json={"body": "x"})).status_code == 403
    await bot.sign_in(world.repository, {"issues": "write"})
    assert (await bot("POST", path, json={"body": "x"})).status_code == 201


async def test_metadata_is_always_readable(world: World, bot: Bot) -> None:
    await bot.sign_in(world.repository, {"checks": "read"})
    assert (await bot("GET", REPO)).status_code == 200
    assert (await bot("GET", f"{REPO}/collaborators/ada/permission")).status_code == 200


async def test_token_dies_by_revocation_suspension_and_uninstallation(world: World, bot: Bot) -> None:
    acme = world.repository.owner
    assert (await bot("DELETE", "/installation/token")).status_code == 204
    assert (await bot("GET", REPO)).status_code == 401
    await bot.sign_in(world.repository)
    world.sim.people.suspend(acme)
    assert (await bot("GET", REPO)).status_code == 403
    assert (await bot.token_for({})).status_code == 403
    world.sim.people.suspend(acme, suspended=False)
    assert (await bot("GET", REPO)).status_code == 200
    world.sim.people.uninstall(acme)
    assert (await bot("GET", REPO)).status_code == 401
    assert (await bot.as_app("GET", f"{REPO}/installation")).status_code == 404


async def test_person_with_a_token_does_what_the_role_allows(world: World, bot: Bot) -> None:
    people, mallory = world.sim.people, world.sim.people.user("mallory")
    check = {"name": "x", "head_sha": world.pull.head_sha}
    bot.token = people.token(world.eve)
    assert (await bot("GET", REPO)).status_code == 200
    assert (await bot("POST", f"{REPO}/issues/1/comments", json={"body": "hm"})).json()["user"]["login"] == "eve"
    assert (await bot("POST", f"{REPO}/check-runs", json=check)).status_code == 403
    bot.token = people.token(mallory)
    assert (await bot("GET", REPO)).status_code == 404


async def test_installation_token_is_no_app_and_the_app_is_no_installation(bot: Bot) -> None:
    assert (await bot("GET", "/app")).status_code == 401
    assert (await bot.as_app("GET", REPO)).status_code == 401
    assert (await bot.as_app("GET", "/installation/repositories")).status_code == 403
    assert (await bot.http.get(REPO, headers={"authorization": "Digest x"})).status_code == 401
    assert (await bot.http.get(REPO, headers={"authorization": "Basic !"})).status_code == 401
