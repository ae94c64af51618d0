from datetime import timedelta

import gitlab
import pytest

from app.demo.simulator.state import AccountKind, Role
from tests.app.demo.simulator.gitlab.conftest import PATH, Lab


async def test_it_says_what_it_is(lab: Lab) -> None:
    page = await lab.http.get("/")
    assert "FlowForge's simulator of GitLab, no GitLab" in page.text
    assert "no GitLab" in (await lab("GET", "/metadata")).json()["message"]
    assert (await lab.http.get("/acme/pay/core")).status_code == 404
    assert page.headers["server"] == "FlowForge simulator"


async def test_users_through_python_gitlab(lab: Lab) -> None:
    def look(client: gitlab.Gitlab) -> tuple[str, list[int], str, tuple[str, str]]:
        client.auth()
        assert client.user is not None
        found = [one.id for one in client.users.list(username="ADA", iterator=True)]
        return client.user.username, found, client.users.get(lab.eve.id).username, client.version()

    assert await lab.ask(look) == ("flowforge", [lab.ada.id], "eve", ("19.5.0", "simulator"))
    lab.sim.people.rename_account(lab.ada, "countess")
    assert (await lab("GET", f"/users/{lab.ada.id}")).json()["username"] == "countess"
    assert (await lab("GET", "/users?username=ada")).json() == []
    assert (await lab("GET", "/users/1")).status_code == 404


async def test_a_project_by_id_by_path_and_after_a_rename(lab: Lab) -> None:
    by_id = await lab.ask(lambda client: client.projects.get(lab.project.id).asdict())
    by_path = await lab.ask(lambda client: client.projects.get("acme/pay/core").asdict())
    assert by_id == by_path
    assert by_id["namespace"]["full_path"] == "acme/pay"
    assert (by_id["visibility"], by_id["squash_option"]) == ("private", "default_off")
    assert by_id["permissions"]["project_access"]["access_level"] == 40
    lab.sim.people.squash(lab.project, "always")
    lab.sim.people.rename_repository(lab.project, "money")
    moved = (await lab("GET", f"/projects/{PATH}")).json()
    assert (moved["path_with_namespace"], moved["squash_option"]) == ("acme/pay/money", "always")
    assert moved["id"] == lab.project.id
    mine = (await lab("GET", "/projects?membership=true&min_access_level=30")).json()
    assert [one["id"] for one in mine] == [lab.project.id]
    assert (await lab("GET", f"/groups/{lab.project.owner.id}")).json()["full_path"] == "acme/pay"


async def test_levels_of_members(lab: Lab) -> None:
    told = {Role.READ: 10, Role.TRIAGE: 20, Role.WRITE: 30, Role.MAINTAIN: 40, Role.ADMIN: 50}
    for role, level in told.items():
        lab.sim.people.set_role(lab.project, lab.eve, role)
        member = await lab("GET", f"/projects/{lab.project.id}/members/all/{lab.eve.id}")
        assert (member.json()["access_level"], member.json()["id"]) == (level, lab.eve.id)
    lab.sim.people.set_role(lab.project, lab.eve, Role.NONE)
    gone = await lab("GET", f"/projects/{PATH}/members/all/{lab.eve.id}")
    assert (gone.status_code, gone.json()) == (404, {"message": "404 Not Found"})
    names = {one["username"] for one in (await lab("GET", f"/projects/{PATH}/members/all")).json()}
    assert names == {"ada", "flowforge"}


async def test_who_may_see_what(lab: Lab) -> None:
    people = lab.sim.people
    stranger = people.token(people.user("mallory"))
    hidden = await lab("GET", f"/projects/{PATH}", token=stranger)
    assert (hidden.status_code, hidden.json()) == (404, {"message": "404 Project Not Found"})
    assert (await lab("GET", f"/projects/{PATH}", token="")).status_code == 404
    assert (await lab("GET", "/user", token="")).json() == {"message": "401 Unauthorized"}
    assert (await lab("GET", "/user", token="glpat-wrong")).status_code == 401
    bearer = {"authorization": f"Bearer {lab.sim.token}"}
    assert (await lab.http.get("/api/v4/user", headers=bearer)).json()["username"] == "flowforge"
    guest = people.token(lab.eve)
    code = await lab("GET", f"/projects/{PATH}/repository/branches/main", token=guest)
    assert (code.status_code, code.json()) == (403, {"message": "403 Forbidden"})
    assert (await lab("GET", f"/projects/{PATH}/hooks", token=people.token(lab.ada))).status_code == 403


async def test_scopes_and_ends_of_tokens(lab: Lab) -> None:
    people = lab.sim.people
    reading = people.access_token(lab.ada, scopes=frozenset({"read_api"}))
    path = f"/projects/{PATH}/merge_requests/1/notes"
    assert (await lab("GET", path, token=reading.value)).status_code == 200
    refused = await lab("POST", path, token=reading.value, json={"body": "x"})
    assert (refused.status_code, refused.json()["error"]) == (403, "insufficient_scope")
    told = (await lab("GET", "/personal_access_tokens/self", token=reading.value)).json()
    assert (told["scopes"], told["user_id"], told["active"]) == (["read_api"], lab.ada.id, True)
    people.revoke(reading)
    revoked = await lab("GET", path, token=reading.value)
    assert (revoked.status_code, revoked.json()["error"]) == (401, "invalid_token")
    short = people.access_token(lab.ada, expires_at=lab.clock.now() + timedelta(days=1))
    assert (await lab("GET", "/user", token=short.value)).status_code == 200
    lab.clock.pass_by(days=1)
    assert "expired" in (await lab("GET", "/user", token=short.value)).json()["error_description"]


async def test_labels_through_python_gitlab(lab: Lab) -> None:
    def make(client: gitlab.Gitlab) -> list[str]:
        project = client.projects.get(lab.project.id, lazy=True)
        project.labels.create({"name": "flowforge", "color": "#6699cc"})
        with pytest.raises(gitlab.GitlabCreateError) as twice:
            project.labels.create({"name": "flowforge", "color": "#6699cc"})
        assert twice.value.response_code == 409
        with pytest.raises(gitlab.GitlabCreateError):
            project.labels.create({"name": "odd", "color": "blue-ish"})
        return [one.name for one in project.labels.list(iterator=True)]

    assert await lab.ask(make) == ["flowforge"]
    assert (await lab("GET", f"/projects/{PATH}/labels/flowforge")).json()["color"] == "#6699cc"
    assert (await lab("GET", f"/projects/{PATH}/labels/other")).status_code == 404


async def test_protected_branches(lab: Lab) -> None:
    lab.sim.people.protect(lab.project, "main")
    (branch,) = (await lab("GET", f"/projects/{PATH}/protected_branches")).json()
    assert (branch["name"], branch["push_access_levels"][0]["access_level"]) == ("main", 0)
    assert (await lab("GET", f"/projects/{PATH}/protected_branches/feature")).status_code == 404
    told = (await lab("GET", f"/projects/{PATH}/repository/branches/main")).json()
    assert (told["protected"], told["can_push"]) == (True, False)


async def test_pages_and_limits(lab: Lab) -> None:
    for number in range(3):
        lab.sim.people.comment(lab.pull, lab.ada, f"note {number}")
    first = await lab("GET", f"/projects/{PATH}/merge_requests/1/notes?per_page=2&sort=asc")
    assert [one["body"] for one in first.json()] == ["note 0", "note 1"]
    assert (first.headers["x-next-page"], first.headers["x-total"], first.headers["x-total-pages"]) == ("2", "3", "2")
    second = await lab.http.get(first.links["next"]["url"], headers={"private-token": lab.sim.token})
    assert [one["body"] for one in second.json()] == ["note 2"]
    assert second.headers["x-next-page"] == ""
    everything = await lab.ask(
        lambda client: [
            note.body
            for note in client.projects.get(lab.project.id, lazy=True)
            .mergerequests.get(1, lazy=True)
            .notes.list(iterator=True, per_page=1)
        ]
    )
    assert len(everything) == 3
    lab.sim.limits.limit = int(second.headers["ratelimit-observed"])
    lab.clock.pass_by(minutes=1)
    for _ in range(lab.sim.limits.limit):
        assert (await lab("GET", "/version")).status_code == 200
    refused = await lab("GET", "/version")
    assert (refused.status_code, refused.text, refused.headers["retry-after"]) == (429, "Retry later\n", "60")
    lab.clock.pass_by(seconds=60)
    assert (await lab("GET", "/version")).status_code == 200


async def test_a_group_is_no_user(lab: Lab) -> None:
    group = lab.sim.people.account("acme", kind=AccountKind.ORGANIZATION)
    assert (await lab("GET", f"/users/{group.id}")).status_code == 404
