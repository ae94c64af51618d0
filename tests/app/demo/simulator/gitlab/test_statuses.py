import gitlab
import pytest

from tests.app.demo.simulator.gitlab.conftest import PATH, Lab


async def test_statuses_through_python_gitlab(lab: Lab) -> None:
    def play(client: gitlab.Gitlab) -> None:
        project = client.projects.get(lab.project.id, lazy=True)
        commit = project.commits.get(lab.pull.head_sha)
        content = {"name": "flowforge", "description": "working", "target_url": "https://ff.example/1"}
        first = commit.statuses.create({**content, "state": "pending"})
        assert (first.status, first.ref, "pipeline_id" in first.attributes) == ("pending", "feature", False)
        assert commit.statuses.create({**content, "state": "running"}).id == first.id
        with pytest.raises(gitlab.GitlabCreateError, match="Cannot transition status via :run from :running"):
            commit.statuses.create({**content, "state": "running"})
        ended = commit.statuses.create({**content, "state": "success", "description": "done"})
        assert (ended.id, ended.status, ended.description) == (first.id, "success", "done")
        again = commit.statuses.create({**content, "state": "pending"})
        assert again.id != first.id
        assert [one.id for one in commit.statuses.list()] == [again.id]
        assert [one.id for one in commit.statuses.list(all=True, get_all=True)] == [again.id]
        (pipeline,) = project.mergerequests.get(1, lazy=True).pipelines.list()
        assert (pipeline.source, pipeline.sha) == ("external", lab.pull.head_sha)

    await lab.ask(play)
    states = [
        one.payload["object_attributes"]["status"]  # type: ignore[index]  # a pipeline's payload
        for one in lab.sim.webhooks.deliveries
        if one.event == "Pipeline Hook"
    ]
    assert states == ["pending", "running", "success", "pending"]


async def test_a_status_goes_into_the_pipeline_that_is_there(lab: Lab) -> None:
    pipeline = lab.sim.people.run_pipeline(lab.pull, {"test": "failed", "lint": "success"}, trace="1 failed\n")
    path = f"/projects/{PATH}/statuses/{lab.pull.head_sha}"
    posted = await lab("POST", path, json={"state": "success", "name": "flowforge"})
    assert posted.json()["ref"] == "refs/merge-requests/1/head"
    assert [one.name for one in pipeline.statuses] == ["test", "lint", "flowforge"]
    (listed,) = (await lab("GET", f"/projects/{PATH}/merge_requests/1/pipelines")).json()
    assert (listed["id"], listed["status"]) == (pipeline.id, "failed")
    jobs = (await lab("GET", f"/projects/{PATH}/pipelines/{pipeline.id}/jobs?scope[]=failed")).json()
    assert [(one["name"], one["status"]) for one in jobs] == [("test", "failed")]
    trace = await lab("GET", f"/projects/{PATH}/jobs/{jobs[0]['id']}/trace")
    assert (trace.text, trace.headers["content-type"]) == ("1 failed\n", "text/plain")
    other = await lab("POST", path, json={"state": "pending", "name": "flowforge", "ref": "feature"})
    assert other.json()["ref"] == "feature"
    newest = (await lab("GET", f"/projects/{PATH}/pipelines?sha={lab.pull.head_sha}")).json()
    assert [one["source"] for one in newest] == ["external", "merge_request_event"]


async def test_what_a_status_may_not_be(lab: Lab) -> None:
    path = f"/projects/{PATH}/statuses/{lab.pull.head_sha}"
    assert (await lab("POST", path, json={})).json() == {"error": "state is missing"}
    assert (await lab("POST", path, json={"state": "neutral"})).status_code == 400
    long = await lab("POST", path, json={"state": "success", "description": "x" * 256})
    assert long.json() == {"message": {"description": ["is too long (maximum is 255 characters)"]}}
    nowhere = await lab("POST", f"/projects/{PATH}/statuses/{'0' * 40}", json={"state": "success"})
    assert nowhere.json() == {"message": "404 Commit Not Found"}
    wrong = await lab("POST", path, json={"state": "success", "pipeline_id": 1})
    assert wrong.json() == {"message": "404 Pipeline for pipeline_id, sha and ref Not Found"}
    guest = lab.sim.people.token(lab.eve)
    assert (await lab("POST", path, token=guest, json={"state": "success"})).status_code == 403
    lab.sim.faults.fail("POST", ".*/statuses/", status=409, message="Another update is in progress")
    assert (await lab("POST", path, json={"state": "success"})).status_code == 409
    assert (await lab("POST", path, json={"state": "success"})).status_code == 201
