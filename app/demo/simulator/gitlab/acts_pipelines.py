"""What happens to pipelines: statuses from outside, and jobs of GitLab's own."""

from app.demo.simulator.gitlab.messages import denied
from app.demo.simulator.gitlab.site import GitLabSite
from app.demo.simulator.gitlab.state import FINISHED, CommitStatus, Pipeline
from app.demo.simulator.gitlab.voice import announce_pipeline
from app.demo.simulator.state import Account, Repository

EVENTS = {
    "pending": "enqueue",
    "running": "run",
    "success": "success",
    "failed": "drop",
    "canceled": "cancel",
    "skipped": "skip",
}
ALLOWED = {
    "pending": {"created"},
    "running": {"created", "pending"},
    "success": {"created", "pending", "running"},
    "failed": {"created", "pending", "running"},
    "canceled": {"created", "pending", "running"},
    "skipped": {"created", "pending"},
}


def new_pipeline(
    site: GitLabSite, repository: Repository, *, sha: str, ref: str, source: str, user: Account
) -> Pipeline:
    """A pipeline without statuses."""
    world = site.world
    pipeline = Pipeline(
        id=world.new_id(),
        iid=len(world.pipelines_of(repository)) + 1,
        repository=repository,
        sha=sha,
        ref=ref,
        source=source,
        user=user,
        created_at=world.now(),
        updated_at=world.now(),
    )
    world.pipelines[pipeline.id] = pipeline
    return pipeline


def new_status(site: GitLabSite, pipeline: Pipeline, name: str, author: Account) -> CommitStatus:
    """A status in a pipeline, in no state yet. Older ones of that name no longer count."""
    for older in pipeline.statuses:
        if older.name == name:
            older.retried = True
    status = CommitStatus(
        id=site.world.new_id(), pipeline=pipeline, name=name, author=author, created_at=site.world.now()
    )
    pipeline.statuses.append(status)
    return status


def move(site: GitLabSite, status: CommitStatus, state: str) -> None:
    """Give a status another state, and tell of the pipeline's if that changes.

    Raises:
        Denial: 400, a status does not go from where it is to there. GitLab refuses ``running`` to one that runs.
    """
    if status.status not in ALLOWED[state]:
        event = EVENTS[state]
        raise denied(
            400,
            f"Cannot transition status via :{event} from :{status.status} "
            f'(Reason(s): Status cannot transition via "{event}")',
        )
    pipeline, now = status.pipeline, site.world.now()
    before = pipeline.status
    status.status = state
    if state == "running" or (state in FINISHED and status.started_at is None):
        status.started_at = now
    if state in FINISHED:
        status.finished_at = now
    pipeline.updated_at = now
    if pipeline.status != before:
        announce_pipeline(site, pipeline)
    site.world.changed()
