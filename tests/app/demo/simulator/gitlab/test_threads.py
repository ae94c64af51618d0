import gitlab
import pytest

from app.demo.simulator.state import Role
from tests.app.demo.simulator.gitlab.conftest import PATH, Lab

PULL = f"/projects/{PATH}/merge_requests/1"


async def test_a_merge_request_is_looked_at_after_somebody_asked(lab: Lab) -> None:
    first = (await lab("GET", PULL)).json()
    assert (first["detailed_merge_status"], first["has_conflicts"]) == ("unchecked", False)
    await lab.sim.wait_for(lambda: lab.pull.mergeable is not None, what="the merge to be tried")
    second = (await lab("GET", PULL)).json()
    assert (second["detailed_merge_status"], second["has_conflicts"]) == ("conflict", True)
    assert (second["sha"], second["diff_refs"]["head_sha"]) == (lab.pull.head_sha, lab.pull.head_sha)
    base = await lab.sim.git(lab.project, "merge-base", "main", "feature")
    assert (second["diff_refs"]["base_sha"], second["diff_refs"]["start_sha"]) == (base, lab.project.branch("main"))
    assert second["source_project_id"] == second["target_project_id"] == lab.project.id
    await lab.sim.people.commit(lab.project, "feature", {"fee.py": "rate = 3\n"}, author=lab.ada)
    listed = (await lab("GET", f"/projects/{PATH}/merge_requests?state=opened&with_merge_status_recheck=true")).json()
    assert [one["detailed_merge_status"] for one in listed] == ["unchecked"]
    await lab.sim.wait_for(lambda: lab.pull.mergeable, what="a clean merge")
    assert (await lab("GET", PULL)).json()["detailed_merge_status"] == "mergeable"
    await lab.sim.people.merge(lab.pull, lab.ada)
    merged = (await lab("GET", PULL)).json()
    assert (merged["state"], merged["detailed_merge_status"]) == ("merged", "not_open")


async def test_merge_requests_through_python_gitlab(lab: Lab) -> None:
    await lab.sim.people.commit(lab.project, "flowforge/run/1", {"x": "y"}, author=lab.ada)

    def play(client: gitlab.Gitlab) -> None:
        requests = client.projects.get(lab.project.id, lazy=True).mergerequests
        wanted = {"source_branch": "flowforge/run/1", "target_branch": "main", "title": "Draft: A plan"}
        made = requests.create({**wanted, "description": "text", "labels": "flowforge"})
        assert (made.iid, made.draft, made.labels, made.title) == (2, True, ["flowforge"], "Draft: A plan")
        with pytest.raises(gitlab.GitlabCreateError, match="already exists") as twice:
            requests.create(wanted)
        assert twice.value.response_code == 409
        with pytest.raises(gitlab.GitlabCreateError, match="does not exist"):
            requests.create({**wanted, "source_branch": "nowhere"})
        assert [one.iid for one in requests.list(source_branch="flowforge/run/1", state="opened")] == [2]
        made.title, made.state_event = "A plan", "close"
        made.save()
        assert (made.state, made.draft) == ("closed", False)
        assert [one.iid for one in requests.list(state="opened", iterator=True)] == [1]

    await lab.ask(play)
    events = [(one.event, one.action) for one in lab.sim.webhooks.deliveries if one.event == "Merge Request Hook"]
    assert events == [("Merge Request Hook", word) for word in ("open", "open", "update", "close")]


async def test_notes_through_python_gitlab(lab: Lab) -> None:
    def play(client: gitlab.Gitlab) -> int:
        notes = client.projects.get(lab.project.id, lazy=True).mergerequests.get(1, lazy=True).notes
        note = notes.create({"body": "Working on it."})
        note.body = "Done."
        note.save()
        note.awardemojis.create({"name": "eyes"})
        with pytest.raises(gitlab.GitlabCreateError) as twice:
            note.awardemojis.create({"name": "eyes"})
        assert twice.value.response_code == 404
        assert [(one.name, one.user["username"]) for one in note.awardemojis.list()] == [("eyes", "flowforge")]
        return int(note.get_id() or 0)

    number = await lab.ask(play)
    (note,) = lab.pull.comments.values()
    assert (note.id, note.body, note.author) == (number, "Done.", lab.sim.bot)
    others = await lab("PUT", f"{PULL}/notes/{number}", token=lab.sim.people.token(lab.ada), json={"body": "x"})
    assert others.status_code == 403
    assert (await lab("PUT", f"{PULL}/notes/{number}", json={"body": " "})).json()["message"]["note"]
    assert (await lab("POST", f"{PULL}/notes", json={})).json() == {"error": "body is missing"}
    assert (await lab("POST", f"{PULL}/notes", json={"body": "x" * 1_000_001})).status_code == 400
    lab.sim.limits.notes = 1
    refused = await lab("POST", f"{PULL}/notes", json={"body": "too often"})
    assert (refused.status_code, "retry-after" in refused.headers) == (429, False)


async def test_quick_actions_are_carried_out_and_cut_out(lab: Lab) -> None:
    said = "Done.\n```\n/close\n```\n/flowforge approve\n> /close"
    kept = (await lab("POST", f"{PULL}/notes", json={"body": said})).json()
    assert (kept["body"], lab.pull.open) == (said, True)
    cut = (await lab("POST", f"{PULL}/notes", json={"body": "Done.\n/Label ~bug\nMore."})).json()
    assert cut["body"] == "Done.\nMore."
    only = await lab("POST", f"{PULL}/notes", json={"body": "/close"})
    assert (only.status_code, lab.pull.open, len(lab.pull.comments)) == (202, False, 2)


async def test_gitlabs_own_notes_are_among_the_others(lab: Lab) -> None:
    await lab.sim.people.commit(lab.project, "feature", {"other": "x"}, author=lab.ada)
    (note,) = (await lab("GET", f"{PULL}/notes")).json()
    assert (note["system"], note["author"]["username"]) == (True, "ada")
    assert (await lab("GET", f"{PULL}/notes?activity_filter=only_comments")).json() == []
    assert (await lab("PUT", f"{PULL}/notes/{note['id']}", json={"body": "x"})).status_code == 403


async def test_an_issue_and_a_merge_request_may_have_the_same_number(lab: Lab) -> None:
    issue = lab.sim.people.open_issue(lab.project, author=lab.eve, title="Too expensive", body="Please.")
    assert issue.number == lab.pull.number == 1
    found = (await lab("GET", f"/projects/{PATH}/issues/1")).json()
    assert (found["title"], found["state"], found["id"]) == ("Too expensive", "opened", issue.id)
    await lab("POST", f"/projects/{PATH}/issues/1/notes", json={"body": "for the issue"})
    assert [one.body for one in issue.comments.values()] == ["for the issue"]
    assert lab.pull.comments == {}
    relabelled = await lab("PUT", f"/projects/{PATH}/issues/1", json={"add_labels": "flowforge,later"})
    assert relabelled.json()["labels"] == ["flowforge", "later"]
    lab.sim.people.label(lab.pull, lab.ada, "flowforge")
    assert [one["iid"] for one in (await lab("GET", f"/projects/{PATH}/issues?labels=later")).json()] == [1]
    assert (await lab("GET", f"/projects/{PATH}/issues/2")).json() == {"message": "404 Issue Not Found"}


async def test_a_fork_and_its_loss(lab: Lab) -> None:
    people = lab.sim.people
    public = await people.repository("acme/open", files={"a": "1"}, private=False, roles={lab.ada: Role.MAINTAIN})
    fork = await people.fork(public, lab.eve)
    await people.commit(fork, "patch", {"a": "2"}, author=lab.eve)
    made = await lab(
        "POST",
        f"/projects/{fork.id}/merge_requests",
        token=people.token(lab.eve),
        json={
            "source_branch": "patch",
            "target_branch": "main",
            "title": "A change",
            "target_project_id": public.id,
            "allow_collaboration": True,
        },
    )
    assert made.status_code == 201, made.text
    path = f"/projects/{public.id}/merge_requests/1"
    told = (await lab("GET", path)).json()
    assert (told["source_project_id"], told["target_project_id"]) == (fork.id, public.id)
    assert told["allow_collaboration"] is True
    fork.private = True
    assert (await lab("GET", path)).json()["allow_collaboration"] is False
    await people.delete_repository(fork)
    assert (await lab("GET", path)).json()["source_project_id"] is None
