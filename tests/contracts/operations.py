"""The part of GitHub's API description that the bot uses, as a table over githubkit's models of it.

The models are made from github/rest-api-description (githubkit-schemas, version 2026-03-10). Paths, query parameters
and statuses are copied by hand from the same description, since the models carry bodies only.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from githubkit_schemas.v2026_03_10 import models as m
from pydantic import BaseModel

Query = Mapping[str, Any]
PAGED: Query = {"per_page": int, "page": int}


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation: the models of its request body and of its successful answers (None: no body)."""

    method: str
    template: str
    answers: Mapping[int, Any]
    body: Any = None
    body_required: bool = False
    query: Query = field(default_factory=dict)

    @property
    def pattern(self) -> re.Pattern[str]:
        """The path, where ``{name:rest}`` may hold slashes and ``{name:int}`` is a number."""
        parts = re.split(r"\{\w+(?::(\w+))?\}", self.template)
        kinds = {"rest": ".*", "int": "[0-9]+", None: "[^/]+"}
        text = re.escape(parts[0])
        for kind, literal in zip(parts[1::2], parts[2::2], strict=True):
            text += kinds[kind] + re.escape(literal)
        return re.compile(text)


class GraphQLQuery(BaseModel):
    """https://docs.github.com/graphql/guides/forming-calls-with-graphql : no part of the description of REST."""

    query: str
    variables: dict[str, Any]


class GraphQLAnswer(BaseModel):
    """``data`` is null and ``errors`` says why where a query is refused."""

    data: dict[str, Any] | None
    errors: list[dict[str, Any]] = []


_REPO = "/repos/{owner}/{repo}"
_ISSUE = _REPO + "/issues/{number:int}"
_COMMENT = _REPO + "/issues/comments/{comment_id:int}"
_CHECK = _REPO + "/check-runs/{check_run_id:int}"
_USER = m.PrivateUser | m.PublicUser
_CONTENT = list[m.ContentDirectoryItems] | m.ContentFile | m.ContentSymlink | m.ContentSubmodule
_POST_CHECK = m.ReposOwnerRepoCheckRunsPostBodyOneof0 | m.ReposOwnerRepoCheckRunsPostBodyOneof1
_PATCH_CHECK = m.ReposOwnerRepoCheckRunsCheckRunIdPatchBodyAnyof0 | m.ReposOwnerRepoCheckRunsCheckRunIdPatchBodyAnyof1

OPERATIONS = (
    Operation(method="GET", template="/", answers={200: dict[str, Any]}),
    Operation(method="GET", template="/app", answers={200: m.Integration}),
    Operation(method="GET", template="/apps/{slug}", answers={200: m.Integration}),
    Operation(method="GET", template="/app/installations", answers={200: list[m.Installation]}, query=PAGED),
    Operation(method="GET", template="/app/installations/{id:int}", answers={200: m.Installation}),
    Operation(
        method="POST",
        template="/app/installations/{id:int}/access_tokens",
        body=m.AppInstallationsInstallationIdAccessTokensPostBody,
        answers={201: m.InstallationToken},
    ),
    Operation(
        method="GET",
        template="/app/hook/deliveries",
        query={"per_page": int, "cursor": str, "status": Literal["success", "failure"]},
        answers={200: list[m.HookDeliveryItem]},
    ),
    Operation(
        method="POST",
        template="/app/hook/deliveries/{id:int}/attempts",
        answers={202: m.AppHookDeliveriesDeliveryIdAttemptsPostResponse202},
    ),
    Operation(
        method="GET",
        template="/installation/repositories",
        query=PAGED,
        answers={200: m.InstallationRepositoriesGetResponse200},
    ),
    Operation(
        method="POST",
        template="/app-manifests/{code}/conversions",
        answers={201: m.AppManifestsCodeConversionsPostResponse201},
    ),
    Operation(method="DELETE", template="/installation/token", answers={204: None}),
    Operation(
        method="GET",
        template="/orgs/{org}/teams/{team_slug}/members",
        query={"role": Literal["member", "maintainer", "all"], **PAGED},
        answers={200: list[m.SimpleUser]},
    ),
    Operation(method="GET", template="/rate_limit", answers={200: m.RateLimitOverview}),
    Operation(method="GET", template="/user", answers={200: _USER}),
    Operation(method="GET", template="/users/{login}", answers={200: _USER}),
    Operation(method="GET", template="/user/{id:int}", answers={200: _USER}),
    Operation(method="GET", template=_REPO, answers={200: m.FullRepository}),
    Operation(method="GET", template=_REPO + "/installation", answers={200: m.Installation}),
    Operation(
        method="GET",
        template=_REPO + "/collaborators/{login}/permission",
        answers={200: m.RepositoryCollaboratorPermission},
    ),
    Operation(method="GET", template=_REPO + "/contents", query={"ref": str}, answers={200: _CONTENT}),
    Operation(method="GET", template=_REPO + "/contents/{path:rest}", query={"ref": str}, answers={200: _CONTENT}),
    Operation(method="GET", template=_REPO + "/git/ref/{ref:rest}", answers={200: m.GitRef}),
    Operation(
        method="GET",
        template=_REPO + "/branches",
        query={"protected": bool, **PAGED},
        answers={200: list[m.ShortBranch]},
    ),
    Operation(method="GET", template=_REPO + "/branches/{branch:rest}", answers={200: m.BranchWithProtection}),
    Operation(
        method="GET",
        template=_REPO + "/pulls",
        query={
            "state": Literal["open", "closed", "all"],
            "head": str,
            "base": str,
            "sort": Literal["created", "updated", "popularity", "long-running"],
            "direction": Literal["asc", "desc"],
            **PAGED,
        },
        answers={200: list[m.PullRequestSimple]},
    ),
    Operation(method="GET", template=_REPO + "/pulls/{number:int}", answers={200: m.PullRequest}),
    Operation(
        method="GET",
        template=_REPO + "/pulls/{number:int}/comments",
        query={"sort": Literal["created", "updated"], "direction": Literal["asc", "desc"], **PAGED},
        answers={200: list[m.PullRequestReviewComment]},
    ),
    Operation(
        method="POST",
        template=_REPO + "/pulls",
        body=m.ReposOwnerRepoPullsPostBody,
        body_required=True,
        answers={201: m.PullRequest},
    ),
    Operation(
        method="PATCH",
        template=_REPO + "/pulls/{number:int}",
        body=m.ReposOwnerRepoPullsPullNumberPatchBody,
        answers={200: m.PullRequest},
    ),
    Operation(method="GET", template=_ISSUE, answers={200: m.Issue}),
    Operation(
        method="GET",
        template=_ISSUE + "/comments",
        query={"since": str, **PAGED},
        answers={200: list[m.IssueComment]},
    ),
    Operation(
        method="POST",
        template=_ISSUE + "/comments",
        body=m.ReposOwnerRepoIssuesIssueNumberCommentsPostBody,
        body_required=True,
        answers={201: m.IssueComment},
    ),
    Operation(method="GET", template=_COMMENT, answers={200: m.IssueComment}),
    Operation(
        method="PATCH",
        template=_COMMENT,
        body=m.ReposOwnerRepoIssuesCommentsCommentIdPatchBody,
        body_required=True,
        answers={200: m.IssueComment},
    ),
    Operation(method="DELETE", template=_COMMENT, answers={204: None}),
    Operation(
        method="GET",
        template=_COMMENT + "/reactions",
        query={"content": str, **PAGED},
        answers={200: list[m.Reaction]},
    ),
    Operation(
        method="POST",
        template=_COMMENT + "/reactions",
        body=m.ReposOwnerRepoIssuesCommentsCommentIdReactionsPostBody,
        body_required=True,
        answers={200: m.Reaction, 201: m.Reaction},
    ),
    Operation(
        method="POST",
        template=_REPO + "/check-runs",
        body=_POST_CHECK,
        body_required=True,
        answers={201: m.CheckRun},
    ),
    Operation(method="GET", template=_CHECK, answers={200: m.CheckRun}),
    Operation(method="PATCH", template=_CHECK, body=_PATCH_CHECK, body_required=True, answers={200: m.CheckRun}),
    Operation(method="GET", template=_CHECK + "/annotations", query=PAGED, answers={200: list[m.CheckAnnotation]}),
    Operation(
        method="GET",
        template=_REPO + "/commits/{ref:rest}/check-runs",
        query={
            "check_name": str,
            "status": Literal["queued", "in_progress", "completed"],
            "filter": Literal["latest", "all"],
            "app_id": int,
            **PAGED,
        },
        answers={200: m.ReposOwnerRepoCommitsRefCheckRunsGetResponse200},
    ),
    Operation(method="POST", template="/graphql", body=GraphQLQuery, body_required=True, answers={200: GraphQLAnswer}),
    Operation(
        method="GET", template=_REPO + "/commits/{ref:rest}/statuses", query=PAGED, answers={200: list[m.Status]}
    ),
)


def find_operation(method: str, path: str) -> Operation | None:
    """The operation of a request, None for what the description does not know."""
    return next(
        (one for one in OPERATIONS if one.method == method and one.pattern.fullmatch(path)),
        None,
    )
