"""A whole service over containers: forge, gateway, Redis with a password, database, and a pull request in conflict."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from app.demo.model.replies import Script
from app.demo.sandboxes import Place
from app.demo.simulator.state import Role
from app.demo.stage import open_stage
from app.settings import RunnerKind
from tests.promises.vault import guarded_redis
from tests.scenarios.play import BASE, OURS, THEIRS, Play


@contextlib.asynccontextmanager
async def deployed(
    directory: Path, script: Script, *, engine: str, image: str, base: Mapping[str, str]
) -> AsyncIterator[Play]:
    """Serve a repository that has ``base`` besides the conflict; each run is a container of ``engine``."""
    async with guarded_redis(directory / "guarded-redis") as redis_url:
        place = Place(
            overrides={
                "runner": RunnerKind.CONTAINER,
                "run_image": image,
                "container_engine": engine,
                "redis_url": redis_url,
                "direct_calls": False,
            }
        )
        async with open_stage(directory, script=script, place=place) as stage:
            people = stage.forge.people
            author, maintainer, stranger = people.user("robin"), people.user("maintainer"), people.user("stranger")
            repository = await people.repository(
                "acme/fees",
                files={**BASE, **base},
                roles={author: Role.WRITE, maintainer: Role.MAINTAIN, stranger: Role.READ},
            )
            await people.commit(repository, "feature", OURS, author=author)
            await people.commit(repository, "main", THEIRS, author=maintainer)
            pull = await people.open_pull_request(repository, author=author, head="feature", title="Another rate")
            yield Play(
                stage=stage,
                repository=repository,
                pull=pull,
                author=author,
                maintainer=maintainer,
                stranger=stranger,
            )
            assert stage.forge.errors == []
