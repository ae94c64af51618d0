"""Accounts, the App, installations and repositories in GitHub's words."""

import base64
from datetime import datetime

from app.demo.simulator.app_auth import InstallationToken
from app.demo.simulator.state import Account, AccountKind, GitHubWorld, Installation, Repository, Role

Json = dict[str, object]

# Every *_url of a repository, as a path below its own API URL.
# Source: https://docs.github.com/rest/repos/repos#get-a-repository .
REPOSITORY_URLS = {
    "archive_url": "/{archive_format}{/ref}",
    "assignees_url": "/assignees{/user}",
    "blobs_url": "/git/blobs{/sha}",
    "branches_url": "/branches{/branch}",
    "collaborators_url": "/collaborators{/collaborator}",
    "comments_url": "/comments{/number}",
    "commits_url": "/commits{/sha}",
    "compare_url": "/compare/{base}...{head}",
    "contents_url": "/contents/{+path}",
    "contributors_url": "/contributors",
    "deployments_url": "/deployments",
    "downloads_url": "/downloads",
    "events_url": "/events",
    "forks_url": "/forks",
    "git_commits_url": "/git/commits{/sha}",
    "git_refs_url": "/git/refs{/sha}",
    "git_tags_url": "/git/tags{/sha}",
    "hooks_url": "/hooks",
    "issue_comment_url": "/issues/comments{/number}",
    "issue_events_url": "/issues/events{/number}",
    "issues_url": "/issues{/number}",
    "keys_url": "/keys{/key_id}",
    "labels_url": "/labels{/name}",
    "languages_url": "/languages",
    "merges_url": "/merges",
    "milestones_url": "/milestones{/number}",
    "notifications_url": "/notifications{?since,all,participating}",
    "pulls_url": "/pulls{/number}",
    "releases_url": "/releases{/id}",
    "stargazers_url": "/stargazers",
    "statuses_url": "/statuses/{sha}",
    "subscribers_url": "/subscribers",
    "subscription_url": "/subscription",
    "tags_url": "/tags",
    "teams_url": "/teams",
    "trees_url": "/git/trees{/sha}",
}
# Every *_url of an account, as a path below its own API URL.
ACCOUNT_URLS = {
    "followers_url": "/followers",
    "following_url": "/following{/other_user}",
    "gists_url": "/gists{/gist_id}",
    "starred_url": "/starred{/owner}{/repo}",
    "subscriptions_url": "/subscriptions",
    "organizations_url": "/orgs",
    "repos_url": "/repos",
    "events_url": "/events{/privacy}",
    "received_events_url": "/received_events",
}
ROLE_NAMES = {
    Role.NONE: "none",
    Role.READ: "read",
    Role.TRIAGE: "triage",
    Role.WRITE: "write",
    Role.MAINTAIN: "maintain",
    Role.ADMIN: "admin",
}
# The four old levels, which is all that ``permission`` knows.
# Source: https://docs.github.com/rest/collaborators/collaborators#get-repository-permissions-for-a-user .
LEGACY_PERMISSIONS = {
    Role.NONE: "none",
    Role.READ: "read",
    Role.TRIAGE: "read",
    Role.WRITE: "write",
    Role.MAINTAIN: "write",
    Role.ADMIN: "admin",
}


def stamp(moment: datetime | None) -> str | None:
    """A moment as GitHub writes it."""
    return None if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def node_id(kind: str, number: int) -> str:
    """An opaque global id."""
    return base64.b64encode(f"0:{kind}{number}".encode()).decode("ascii")


def api(world: GitHubWorld, repository: Repository) -> str:
    """The API URL of a repository."""
    return f"{world.base_url}/repos/{repository.full_name}"


def html(world: GitHubWorld, repository: Repository) -> str:
    """The page of a repository."""
    return f"{world.base_url}/{repository.full_name}"


def account(world: GitHubWorld, one: Account) -> Json:
    """A "simple user"."""
    url = f"{world.base_url}/users/{one.login}"
    page = f"apps/{one.login.removesuffix('[bot]')}" if one.kind is AccountKind.BOT else one.login
    return {
        "login": one.login,
        "id": one.id,
        "node_id": node_id("User", one.id),
        "avatar_url": f"{world.base_url}/avatars/u/{one.id}",
        "gravatar_id": "",
        "url": url,
        "html_url": f"{world.base_url}/{page}",
        **{name: url + path for name, path in ACCOUNT_URLS.items()},
        "type": one.kind.value,
        "site_admin": False,
        "user_view_type": "public",
    }


def public_user(world: GitHubWorld, one: Account) -> Json:
    """A "public user", the answer to ``GET /users/{login}``."""
    return account(world, one) | {
        "name": one.name,
        "company": None,
        "blog": "",
        "location": None,
        "email": None,
        "hireable": None,
        "bio": None,
        "twitter_username": None,
        "public_repos": 0,
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.created_at),
    }


def organization(world: GitHubWorld, one: Account) -> Json:
    """An organization as webhooks describe it."""
    url = f"{world.base_url}/orgs/{one.login}"
    return {
        "login": one.login,
        "id": one.id,
        "node_id": node_id("Organization", one.id),
        "url": url,
        "repos_url": f"{url}/repos",
        "events_url": f"{url}/events",
        "hooks_url": f"{url}/hooks",
        "issues_url": f"{url}/issues",
        "members_url": f"{url}/members{{/member}}",
        "public_members_url": f"{url}/public_members{{/member}}",
        "avatar_url": f"{world.base_url}/avatars/u/{one.id}",
        "description": "",
    }


def app(world: GitHubWorld) -> Json:
    """The App."""
    spec = world.app
    owner = next(iter(world.installations.values())).account if world.installations else world.bot
    return {
        "id": spec.id,
        "slug": spec.slug,
        "client_id": spec.client_id,
        "node_id": node_id("Integration", spec.id),
        "owner": account(world, owner),
        "name": spec.name,
        "description": "",
        "external_url": f"{world.base_url}/apps/{spec.slug}/home",
        "html_url": f"{world.base_url}/apps/{spec.slug}",
        "created_at": stamp(world.bot.created_at),
        "updated_at": stamp(world.bot.created_at),
        "permissions": dict(spec.permissions),
        "events": list(spec.events),
    }


def installation(world: GitHubWorld, one: Installation) -> Json:
    """An installation."""
    url = f"{world.base_url}/app/installations/{one.id}"
    return {
        "id": one.id,
        "account": account(world, one.account),
        "repository_selection": "all" if one.repositories is None else "selected",
        "access_tokens_url": f"{url}/access_tokens",
        "repositories_url": f"{world.base_url}/installation/repositories",
        "html_url": f"{world.base_url}/organizations/{one.account.login}/settings/installations/{one.id}",
        "app_id": world.app.id,
        "client_id": world.app.client_id,
        "app_slug": world.app.slug,
        "target_id": one.account.id,
        "target_type": one.account.kind.value,
        "permissions": dict(one.permissions),
        "events": list(world.app.events),
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.updated_at),
        "single_file_name": None,
        "has_multiple_single_files": False,
        "single_file_paths": [],
        "suspended_by": None if one.suspended_at is None else account(world, one.account),
        "suspended_at": stamp(one.suspended_at),
    }


def token(world: GitHubWorld, one: InstallationToken) -> Json:
    """A fresh installation token."""
    body: Json = {
        "token": one.value,
        "expires_at": stamp(one.expires_at),
        "permissions": dict(one.permissions),
        "repository_selection": "all" if one.repositories is None else "selected",
    }
    if one.repositories is not None:
        body["repositories"] = [repository(world, world.repositories[number]) for number in sorted(one.repositories)]
    return body


def repository(world: GitHubWorld, one: Repository) -> Json:
    """A repository, as inside other objects."""
    url = api(world, one)
    page = html(world, one)
    host = world.base_url.removeprefix("http://")
    forks = sum(1 for other in world.repositories.values() if other.parent is one and not other.deleted)
    open_issues = sum(1 for thread in one.threads.values() if thread.open)
    return {
        "id": one.id,
        "node_id": node_id("Repository", one.id),
        "name": one.name,
        "full_name": one.full_name,
        "private": one.private,
        "visibility": "private" if one.private else "public",
        "owner": account(world, one.owner),
        "html_url": page,
        "description": None,
        "fork": one.parent is not None,
        "url": url,
        **{name: url + path for name, path in REPOSITORY_URLS.items()},
        "clone_url": f"{page}.git",
        "git_url": f"git://{host}/{one.full_name}.git",
        "ssh_url": f"git@{host}:{one.full_name}.git",
        "svn_url": page,
        "mirror_url": None,
        "homepage": None,
        "language": None,
        "license": None,
        "forks": forks,
        "forks_count": forks,
        "stargazers_count": 0,
        "watchers": 0,
        "watchers_count": 0,
        "size": 0,
        "default_branch": one.default_branch,
        "open_issues": open_issues,
        "open_issues_count": open_issues,
        "is_template": False,
        "topics": [],
        "has_issues": True,
        "has_projects": False,
        "has_wiki": False,
        "has_pages": False,
        "has_discussions": False,
        "allow_forking": True,
        "web_commit_signoff_required": False,
        "archived": False,
        "disabled": False,
        "pushed_at": stamp(one.pushed_at),
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.pushed_at),
    }


def full_repository(world: GitHubWorld, one: Repository) -> Json:
    """A repository, asked for by itself."""
    body = repository(world, one) | {"subscribers_count": 0, "network_count": 0}
    if one.owner.kind is AccountKind.ORGANIZATION:
        body["organization"] = account(world, one.owner)
    if one.parent is not None and not one.parent.deleted:
        body["parent"] = body["source"] = repository(world, one.parent)
    return body


def repository_stub(one: Repository) -> Json:
    """A repository in the lists of installation webhooks."""
    return {
        "id": one.id,
        "node_id": node_id("Repository", one.id),
        "name": one.name,
        "full_name": one.full_name,
        "private": one.private,
    }


def collaborator_permission(world: GitHubWorld, one: Repository, who: Account) -> Json:
    """The answer to "what may this person do here"."""
    role = one.role_of(who)
    return {
        "permission": LEGACY_PERMISSIONS[role],
        "role_name": ROLE_NAMES[role],
        "user": account(world, who)
        | {
            "permissions": {
                "admin": role >= Role.ADMIN,
                "maintain": role >= Role.MAINTAIN,
                "push": role >= Role.WRITE,
                "triage": role >= Role.TRIAGE,
                "pull": role >= Role.READ,
            },
            "role_name": ROLE_NAMES[role],
        },
    }
