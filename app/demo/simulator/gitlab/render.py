"""Users, projects, issues, merge requests and notes in the words of GitLab's API."""

from datetime import datetime

from app.demo.simulator.gitlab.levels import LEVELS, NO_ONE
from app.demo.simulator.gitlab.state import GitLabWorld, Label
from app.demo.simulator.state import Account, AccountKind, Comment, Issue, PullRequest, Reaction, Repository, Role

Json = dict[str, object]

VISIBLE = {True: ("private", 0), False: ("public", 20)}
UPVOTE, DOWNVOTE = "thumbsup", "thumbsdown"


def stamp(moment: datetime | None) -> str | None:
    """A moment as the API writes it."""
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def page(world: GitLabWorld, repository: Repository) -> str:
    """The page of a project."""
    return f"{world.base_url}/{repository.full_name}"


def thread_page(world: GitLabWorld, one: Issue) -> str:
    """The page of an issue or merge request."""
    kind = "merge_requests" if isinstance(one, PullRequest) else "issues"
    return f"{page(world, one.repository)}/-/{kind}/{one.number}"


def note_page(world: GitLabWorld, one: Comment) -> str:
    """Where a comment is shown."""
    return f"{thread_page(world, one.issue)}#note_{one.id}"


def user(world: GitLabWorld, one: Account) -> Json:
    """A user, as inside other objects."""
    return {
        "id": one.id,
        "username": one.login,
        "public_email": None,
        "name": one.name,
        "state": "active",
        "locked": False,
        "avatar_url": None,
        "web_url": f"{world.base_url}/{one.login}",
    }


def full_user(world: GitLabWorld, one: Account) -> Json:
    """A user, asked for by itself."""
    return user(world, one) | {
        "created_at": stamp(one.created_at),
        "bio": "",
        "location": "",
        "bot": one.kind is AccountKind.BOT,
        "work_information": None,
        "followers": 0,
        "following": 0,
        "is_followed": False,
    }


def own_user(world: GitLabWorld, one: Account) -> Json:
    """The user who asks."""
    return full_user(world, one) | {
        "email": one.email,
        "commit_email": one.email,
        "confirmed_at": stamp(one.created_at),
        "two_factor_enabled": False,
        "external": False,
        "private_profile": False,
        "can_create_group": False,
        "can_create_project": False,
    }


def member(world: GitLabWorld, one: Account, role: Role) -> Json:
    """Somebody's membership of a project or a group."""
    return user(world, one) | {
        "access_level": LEVELS[role],
        "created_at": stamp(one.created_at),
        "expires_at": None,
        "membership_state": "active",
    }


def namespace(world: GitLabWorld, repository: Repository) -> Json:
    """Where a project lives: a person's namespace, or a group, perhaps inside another."""
    owner = repository.owner
    person = owner.kind is not AccountKind.ORGANIZATION
    parent, _, path = owner.login.rpartition("/")
    above = world.accounts.get(parent)
    return {
        "id": owner.id,
        "name": path,
        "path": path,
        "kind": "user" if person else "group",
        "full_path": owner.login,
        "parent_id": None if above is None else above.id,
        "avatar_url": None,
        "web_url": f"{world.base_url}/{owner.login}" if person else f"{world.base_url}/groups/{owner.login}",
    }


def basic_project(world: GitLabWorld, one: Repository) -> Json:
    """What all renderings of a project have."""
    host = world.base_url.removeprefix("http://")
    return {
        "id": one.id,
        "description": None,
        "name": one.name,
        "name_with_namespace": one.full_name.replace("/", " / "),
        "path": one.name,
        "path_with_namespace": one.full_name,
        "created_at": stamp(one.created_at),
        "default_branch": one.default_branch,
        "tag_list": [],
        "topics": [],
        "ssh_url_to_repo": f"git@{host}:{one.full_name}.git",
        "http_url_to_repo": f"{page(world, one)}.git",
        "web_url": page(world, one),
        "readme_url": None,
        "forks_count": sum(1 for other in world.repositories.values() if other.parent is one and not other.deleted),
        "avatar_url": None,
        "star_count": 0,
        "last_activity_at": stamp(one.pushed_at),
        "visibility": VISIBLE[one.private][0],
        "namespace": namespace(world, one),
    }


def project(world: GitLabWorld, one: Repository, asker: Account | None) -> Json:
    """A project, asked for by itself."""
    body = basic_project(world, one) | {
        "empty_repo": not one.refs,
        "archived": False,
        "resolve_outdated_diff_discussions": False,
        "issues_enabled": True,
        "merge_requests_enabled": True,
        "jobs_enabled": True,
        "issues_access_level": "enabled",
        "repository_access_level": "enabled",
        "merge_requests_access_level": "enabled",
        "forking_access_level": "enabled",
        "builds_access_level": "enabled",
        "shared_runners_enabled": True,
        "creator_id": one.owner.id,
        "import_status": "finished",
        "open_issues_count": sum(1 for issue in one.issues.values() if issue.open),
        "ci_config_path": one.ci_config_path,
        "shared_with_groups": [],
        "only_allow_merge_if_pipeline_succeeds": False,
        "only_allow_merge_if_all_discussions_are_resolved": False,
        "remove_source_branch_after_merge": True,
        "merge_method": "ff" if one.merges_by == "rebase" else "merge",
        "squash_option": squash_option(world, one),
        "permissions": _permissions(one, asker),
    }
    if one.parent is not None and not one.parent.deleted:
        body["forked_from_project"] = basic_project(world, one.parent)
    return body


def squash_option(world: GitLabWorld, one: Repository) -> str:
    """What a project does about squashing."""
    return "always" if one.merges_by == "squash" else world.squash.get(one.id, "default_off")


def _permissions(one: Repository, asker: Account | None) -> Json:
    level = LEVELS[Role.NONE] if asker is None else LEVELS[one.roles.get(asker.id, Role.NONE)]
    return {
        "project_access": {"access_level": level, "notification_level": 3} if level else None,
        "group_access": None,
    }


def group_label(one: Label) -> Json:
    """A label of a group."""
    return {
        "id": one.id,
        "name": one.name,
        "description": one.description,
        "description_html": one.description or "",
        "text_color": "#FFFFFF",
        "color": one.color,
        "subscribed": False,
    }


def label(one: Label, repository: Repository) -> Json:
    """A label of a project."""
    used = [*repository.issues.values(), *repository.threads.values()]
    with_it = [thread for thread in used if one.name in thread.labels and thread.open]
    return {
        "id": one.id,
        "name": one.name,
        "description": one.description,
        "description_html": one.description or "",
        "text_color": "#FFFFFF",
        "color": one.color,
        "subscribed": False,
        "priority": None,
        "is_project_label": True,
        "open_issues_count": sum(1 for thread in with_it if not isinstance(thread, PullRequest)),
        "closed_issues_count": 0,
        "open_merge_requests_count": sum(1 for thread in with_it if isinstance(thread, PullRequest)),
    }


def protected_branch(repository: Repository, name: str) -> Json:
    """A branch that nobody pushes to, and that Maintainers merge into."""
    del repository
    return {
        "id": sum(name.encode()),
        "name": name,
        "push_access_levels": [{"id": 1, "access_level": NO_ONE, "access_level_description": "No one"}],
        "merge_access_levels": [{"id": 1, "access_level": 40, "access_level_description": "Maintainers"}],
        "allow_force_push": False,
        "code_owner_approval_required": False,
    }


def reaction(world: GitLabWorld, comment: Comment, one: Reaction) -> Json:
    """An emoji under a comment."""
    return {
        "id": one.id,
        "name": one.content,
        "user": user(world, one.account),
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.created_at),
        "awardable_id": comment.id,
        "awardable_type": "Note",
        "url": None,
    }


def note(world: GitLabWorld, one: Comment) -> Json:
    """A comment."""
    on_merge_request = isinstance(one.issue, PullRequest)
    return {
        "id": one.id,
        "type": None if one.resolved is None else "DiffNote",
        "body": one.body,
        "author": user(world, one.author),
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.updated_at),
        "system": one.system,
        "noteable_id": one.issue.id,
        "noteable_type": "MergeRequest" if on_merge_request else "Issue",
        "project_id": one.issue.repository.id,
        "resolvable": one.resolved is not None,
        **({} if one.resolved is None else {"resolved": one.resolved}),
        "confidential": False,
        "internal": False,
        "imported": False,
        "imported_from": "none",
        "noteable_iid": one.issue.number,
        "commands_changes": {},
    }


def _thread(world: GitLabWorld, one: Issue) -> Json:
    """What issues and merge requests have in common."""
    mark = "!" if isinstance(one, PullRequest) else "#"
    return {
        "id": one.id,
        "iid": one.number,
        "project_id": one.repository.id,
        "title": one.title,
        "description": one.body or None,
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.updated_at),
        "closed_at": stamp(one.closed_at),
        "closed_by": None,
        "labels": list(one.labels),
        "milestone": None,
        "author": user(world, one.author),
        "assignees": [user(world, assignee) for assignee in one.assignees],
        "assignee": next((user(world, assignee) for assignee in one.assignees), None),
        "user_notes_count": sum(1 for comment in one.comments.values() if not comment.system),
        "upvotes": 0,
        "downvotes": 0,
        "web_url": thread_page(world, one),
        "references": {
            "short": f"{mark}{one.number}",
            "relative": f"{mark}{one.number}",
            "full": f"{one.repository.full_name}{mark}{one.number}",
        },
        "time_stats": {
            "time_estimate": 0,
            "total_time_spent": 0,
            "human_time_estimate": None,
            "human_total_time_spent": None,
        },
        "discussion_locked": None,
        "imported": False,
        "imported_from": "none",
        "task_completion_status": {"count": 0, "completed_count": 0},
    }


def issue(world: GitLabWorld, one: Issue) -> Json:
    """An issue."""
    return _thread(world, one) | {
        "state": "opened" if one.open else "closed",
        "type": "ISSUE",
        "issue_type": "issue",
        "confidential": False,
        "due_date": None,
        "merge_requests_count": 0,
        "has_tasks": False,
        "severity": "UNKNOWN",
        "moved_to_id": None,
        "service_desk_reply_to": None,
    }


def state_of(one: PullRequest) -> str:
    """The state of a merge request."""
    if one.merged_at is not None:
        return "merged"
    return "opened" if one.open else "closed"


def title_of(one: PullRequest) -> str:
    """The title of a merge request: GitLab's drafts say so in front of it."""
    return f"Draft: {one.title}" if one.draft else one.title


def may_collaborate(one: PullRequest) -> bool:
    """Whether members of the target project may push to the source branch.

    GitLab has it between projects that are not private only, and not for protected branches.
    Source: https://docs.gitlab.com/user/project/merge_requests/allow_collaboration/ .
    """
    source = one.head_repository
    return (
        one.from_fork
        and one.maintainer_can_modify
        and not source.deleted
        and not source.private
        and not one.repository.private
        and one.head_ref not in source.protected
    )


def detailed_status(one: PullRequest) -> str:
    """Whether it can be merged, and why not.

    Source: https://docs.gitlab.com/api/merge_requests/#merge-status .
    """
    if not one.open:
        return "not_open"
    if one.mergeable is None:
        return "unchecked"
    if not one.mergeable:
        return "conflict"
    return "draft_status" if one.draft else one.waits_for or "mergeable"


def merge_request(world: GitLabWorld, one: PullRequest) -> Json:
    """A merge request, as in lists."""
    option = squash_option(world, one.repository)
    old_status = {None: "unchecked", True: "can_be_merged", False: "cannot_be_merged"}
    body = _thread(world, one) | {
        "title": title_of(one),
        "state": state_of(one),
        "merged_by": None if one.merged_by is None else user(world, one.merged_by),
        "merge_user": None if one.merged_by is None else user(world, one.merged_by),
        "merged_at": stamp(one.merged_at),
        "closed_at": None if one.merged_at is not None else stamp(one.closed_at),
        "target_branch": one.base_ref,
        "source_branch": one.head_ref,
        "reviewers": [],
        "source_project_id": None if one.head_repository.deleted else one.head_repository.id,
        "target_project_id": one.repository.id,
        "draft": one.draft,
        "work_in_progress": one.draft,
        "merge_when_pipeline_succeeds": False,
        "merge_status": old_status[one.mergeable],
        "detailed_merge_status": detailed_status(one),
        "merge_after": None,
        "sha": one.head_sha,
        "merge_commit_sha": one.merge_commit_sha,
        "squash_commit_sha": None,
        "should_remove_source_branch": None,
        "force_remove_source_branch": False,
        "prepared_at": stamp(one.created_at),
        "reference": f"!{one.number}",
        "squash": option in {"always", "default_on"},
        "squash_on_merge": option in {"always", "default_on"},
        "has_conflicts": one.mergeable is False,
        "blocking_discussions_resolved": True,
    }
    if one.from_fork:
        allowed = may_collaborate(one)
        body |= {"allow_collaboration": allowed, "allow_maintainer_to_push": allowed}
    return body


def full_merge_request(
    world: GitLabWorld, one: PullRequest, *, start_sha: str, base_sha: str, changed_files: int, asker: Account | None
) -> Json:
    """A merge request, asked for by itself; ``base_sha`` is the merge base, ``start_sha`` the target as of the head."""
    pipeline = next(world.pipelines_for(one), None)
    may_merge = asker is not None and one.repository.role_of(asker) >= Role.WRITE
    head: Json | None = None
    if pipeline is not None:
        head = {"id": pipeline.id, "iid": pipeline.iid, "project_id": pipeline.repository.id}
        head |= {"sha": pipeline.sha, "ref": pipeline.ref, "status": pipeline.status, "source": pipeline.source}
    return merge_request(world, one) | {
        "subscribed": False,
        "changes_count": str(changed_files),
        "latest_build_started_at": None,
        "latest_build_finished_at": None,
        "first_deployed_to_production_at": None,
        "pipeline": head,
        "head_pipeline": head,
        "diff_refs": {"base_sha": base_sha, "head_sha": one.head_sha, "start_sha": start_sha},
        "merge_error": None,
        "first_contribution": False,
        "user": {"can_merge": may_merge},
    }
