"""Whose turn it is: no cap is passed, no place stays empty, and the oldest of the least busy goes first."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from bot.model.forge import ForgeKind
from bot.model.turns import UNCAPPED, Cap, JobCaps, Load, Owner, QueuedJob
from bot.policy.turns import kept_waiting, turns

CAPS = JobCaps(per_repository=2, per_installation=3, overall=4)


def owner(number: int) -> Owner:
    return ForgeKind.GITHUB, number


def queued(serial: int, repository: int, installation: int | None = None) -> QueuedJob:
    """A repository belongs to the installation that its number's tens say, unless another is given."""
    belongs = repository // 10 if installation is None else installation
    return QueuedJob(job_id=f"job-{serial}", serial=serial, repository=owner(repository), installation=owner(belongs))


def load(*repositories: int) -> Load:
    """One job at work for each repository that is named."""
    return Load(
        repositories=Counter(owner(number) for number in repositories),
        installations=Counter(owner(number // 10) for number in repositories),
        overall=len(repositories),
    )


def test_the_oldest_goes_first_where_all_are_as_busy() -> None:
    jobs = [queued(3, 1), queued(1, 11), queued(2, 21)]
    assert turns(jobs, load(), UNCAPPED) == ("job-1", "job-2", "job-3")


def test_the_least_busy_repository_goes_first_however_young_its_job() -> None:
    jobs = [queued(1, 1), queued(2, 1), queued(3, 11)]
    assert turns(jobs, load(1), UNCAPPED) == ("job-3", "job-1", "job-2")


def test_a_burst_of_one_repository_takes_turns_with_the_others() -> None:
    burst = [queued(serial, 1) for serial in range(1, 9)]
    assert turns([*burst, queued(9, 11), queued(10, 21)], load(), CAPS) == ("job-1", "job-9", "job-10", "job-2")


def test_between_repositories_the_least_busy_installation_goes_first() -> None:
    jobs = [queued(1, 1), queued(2, 11)]
    assert turns(jobs, load(2), UNCAPPED) == ("job-2", "job-1")


def test_what_keeps_a_job_waiting_is_named_with_what_goes_before_it() -> None:
    mine = queued(9, 1)
    assert kept_waiting(mine, [mine], load(), CAPS) is None
    full = kept_waiting(mine, [mine], load(1, 1), CAPS)
    assert full is not None
    assert (full.cap, full.at_work, full.ahead) == (Cap.REPOSITORY, 2, ())
    installation = kept_waiting(mine, [mine], load(2, 3, 4), CAPS)
    assert installation is not None
    assert (installation.cap, installation.at_work) == (Cap.INSTALLATION, 3)
    overtaken = kept_waiting(mine, [mine, queued(1, 11)], load(21, 22, 31), CAPS)
    assert overtaken is not None
    assert (overtaken.cap, overtaken.at_work, overtaken.ahead) == (Cap.SERVER, 4, ("job-1",))


JOBS = st.lists(st.integers(0, 39), max_size=30).map(
    lambda repositories: [queued(serial, number) for serial, number in enumerate(repositories)]
)
LOADS = st.lists(st.integers(0, 39), max_size=12).map(lambda repositories: load(*repositories))
SOME_CAPS = st.builds(
    JobCaps, per_repository=st.integers(1, 4), per_installation=st.integers(1, 6), overall=st.integers(1, 12)
)


@given(jobs=JOBS, before=LOADS, caps=SOME_CAPS)
def test_caps_are_kept_and_no_place_stays_empty(jobs: list[QueuedJob], before: Load, caps: JobCaps) -> None:
    begun = turns(jobs, before, caps)
    by_id = {job.job_id: job for job in jobs}
    repositories, installations = Counter(before.repositories), Counter(before.installations)
    left = list(jobs)
    for overall, job_id in enumerate(begun, start=before.overall):
        job = by_id[job_id]
        assert repositories[job.repository] < caps.per_repository
        assert installations[job.installation] < caps.per_installation
        assert overall < caps.overall
        for other in left:
            fits = (
                repositories[other.repository] < caps.per_repository
                and installations[other.installation] < caps.per_installation
            )
            busier = repositories[other.repository] > repositories[job.repository]
            as_busy = repositories[other.repository] == repositories[job.repository]
            assert (
                not fits or busier or (as_busy and installations[other.installation] >= installations[job.installation])
            )
            assert other.serial >= job.serial or other.repository != job.repository
        left.remove(job)
        repositories[job.repository] += 1
        installations[job.installation] += 1
    for job in left:
        kept = kept_waiting(job, jobs, before, caps)
        assert kept is not None, "a job that fits does not wait"
        assert kept.ahead == begun
    for job_id in begun:
        assert kept_waiting(by_id[job_id], jobs, before, caps) is None
