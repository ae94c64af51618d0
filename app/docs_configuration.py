"""What ``docs/configuration.md`` is made of: see ``app.docs``."""

import json
from typing import Any, Final

from bot.config import json_schema
from bot.config_keys import BUILTIN_PROTECTED_PATHS, CONFIG_PATH, SHARED_PATH, SHARED_REPOSITORY
from bot.config_layers import PROTECTIONS
from bot.config_schema import at, expectation, keys, resolve

_REGENERATE: Final = ("resolvers", "regenerate", 0)
"""Where an item of the list of commands stands in the configuration."""


_TESTS: Final = (
    "## Tests",
    (
        "`test_command` runs when everything else is done: on exactly the files that are proposed, in a sandbox of its "
        "own, with no network where the runner seals it, without a model and without a token. It is split into words "
        "like [the commands that make files anew](#regenerate), and no shell reads it. Links and submodules are not in "
        "the sandbox, and a tree that is larger than a workspace may be is not tested at all; both are said. What the "
        "tests change in their sandbox is thrown away."
    ),
    (
        "They passed when the command's exit status is 0. How they ended, how long they took and the end of what they "
        "printed stand in the report, bound to the tree of the proposed commit. They are evidence: the repository's "
        "own code said so, in a sandbox, and no check is skipped because of it. Tests that fail, or are missing, stop "
        "nobody, unless `tests_must_pass` is true: then `approve` is refused and the button is not offered until they "
        "passed on exactly that tree, also for a rebase or a revert. Putting an old head back needs no approval, and "
        "so no tests."
    ),
    "```yaml\nversion: 1\ntest_command: python3 -m unittest\ntest_timeout_minutes: 10\ntests_must_pass: true\n```",
)
"""How a repository's own tests are run, and what follows from them."""


def parts() -> tuple[str, ...]:
    """The page, paragraph by paragraph."""
    schema = json_schema()
    settings = [_setting(key, schema, ()) for key in keys(schema, ())]
    permissions = [_setting(key, schema, ("permissions",)) for key in keys(schema, ("permissions",))]
    header = "| Key | Value | Default | What it means |\n|---|---|---|---|\n"
    protected = [f"| `{pattern}` | {_cell(reason)} |" for pattern, reason in BUILTIN_PROTECTED_PATHS.items()]
    return (
        "# Configuration",
        (
            f"A repository is configured by the file `{CONFIG_PATH}` at its root. It is read from the base branch of a "
            "pull request, never from its head. Without the file the defaults hold; `version: 1` alone means the same."
        ),
        (
            "A key that is not listed here is an error, as are anchors, aliases and tags. While the file is invalid, "
            "jobs "
            "are refused with the file's line and key. Each job remembers the version of the file that it was accepted "
            "under. [flowforge.schema.json](flowforge.schema.json) is the JSON Schema, for editors."
        ),
        (
            "Before you push it, `flowforge config check` says in your clone whether the file is valid, and where it "
            "is not; `--effective` adds every key with its value. Under a pull request or an issue, `/flowforge "
            "config` answers with what holds there and which file and line says so."
        ),
        (
            "```yaml\nversion: 1\npermissions:\n  approve: maintain\nbudget_usd: 2.5\nprotected_paths:\n  - infra/**\n"
            '  - "*.sql"\n```'
        ),
        "## Keys",
        header + "\n".join(settings),
        "## permissions",
        (
            "The forge is asked for somebody's permission each time. Levels, in ascending order: `read`, `triage`, "
            "`write`, `maintain`, `admin`. On a public repository everybody has `read`."
        ),
        header + "\n".join(permissions),
        *_approvals(schema, header),
        "## resolvers",
        (
            "Conflicts are put to the resolvers in the order of [resolvers.md](resolvers.md), cheapest first, and only "
            "what is still open moves on. Switching one off leaves its conflicts to those after it. Whatever "
            "resolves a "
            "conflict, the result is checked, shown, and waits for approval."
        ),
        header + "\n".join(_setting(key, schema, ("resolvers",)) for key in keys(schema, ("resolvers",))),
        "### regenerate",
        (
            "A generated file is never merged by hand: the command makes it anew, in a sandbox, on the merged tree. "
            "The "
            "command comes from this file on the base branch, never from the pull request. It is split into words as a "
            "shell would do it, and run without a shell: no variables, pipes or redirections. It gets no token and no "
            "model; which network it has is up to the runner: in this version, whatever the runner gives. The first "
            "entry "
            "that covers a path counts; patterns are those of [protected paths](#protected-paths)."
        ),
        (
            "The command runs when every other conflict of the merge is settled and has passed the checks. It finds "
            "that "
            "merge, with the base branch's version of each generated file in conflict. Of what it changes, only "
            "files that "
            "its patterns cover are taken; anything else, or a file that it deletes, is refused. A lock file that no "
            "entry "
            "covers is left to people: neither rules nor models merge one."
        ),
        (
            "```yaml\nversion: 1\nresolvers:\n  direct_max_hunks: 3\n  regenerate:\n    - paths: [package-lock.json]\n"
            "      command: npm install --package-lock-only --ignore-scripts\n"
            '    - paths: ["*.pb.go"]\n      command: scripts/generate.sh\n```'
        ),
        header + "\n".join(_setting(key, schema, _REGENERATE) for key in keys(schema, _REGENERATE)),
        *_TESTS,
        *_ON_CHECK_FAILURE,
        *_quiet_hours(schema, header),
        *_shared(),
        "## Protected paths",
        (
            "A conflict in a protected path is left to people, and no agent's change of one is accepted. Patterns "
            "follow "
            "the rules of `.gitignore`, without negation: `*` and `?` stand for characters of one name, `**` for any "
            "number of directories; a pattern without a slash inside holds at any depth; a pattern that covers a "
            "directory "
            "covers everything below it. Upper and lower case are the same."
        ),
        "These are always protected:",
        "| Pattern | Why |\n|---|---|\n" + "\n".join(protected),
    )


def _approvals(schema: dict[str, Any], header: str) -> tuple[str, ...]:
    return (
        "## paths",
        (
            "How much is asked before changes of which paths are pushed. The paths in question are those that were in "
            "conflict; of a revert, all that it changes. Of all entries that cover a path, and of all these paths, the "
            "strictest tier decides: `auto`, `approve`, `two_approvals`, `never`. A path that no entry covers has the "
            "tier `approve`, and so has, at least, every [protected path](#protected-paths)."
        ),
        (
            "`auto` is for paths where evidence is enough: a merge of nothing but such paths is pushed without a "
            "person's approval if the tests passed on exactly its tree or, where there are none, if rules of the "
            "safest kind (tier A of [resolvers.md](resolvers.md)) resolved every hunk. What a model wrote is never "
            "pushed so without tests that passed; a rebase, a revert and what FlowForge cannot push never are. The "
            "report says that nobody was asked, and the audit log names the configuration."
        ),
        header + "\n".join(_setting(key, schema, ("paths", 0)) for key in keys(schema, ("paths", 0))),
        "## approvals",
        (
            "An approval counts for exactly the commit and diff that were shown, and lapses with them. Each person "
            "counts once, by the forge's numeric id, and only while they have the permission that `approve` asks for: "
            "it is asked for again right before the push. Until enough people approved, the check run and the comment "
            "say how many did, such as 1 of 2, and who is still needed."
        ),
        header + "\n".join(_setting(key, schema, ("approvals",)) for key in keys(schema, ("approvals",))),
        (
            "With `codeowners`, the file is read where the forge reads it (GitHub: `.github/`, the root, `docs/`; "
            "GitLab: the root, `docs/`, `.gitlab/`), from the base branch and in the forge's own syntax, GitLab's "
            "sections with their counts included: of sections with one name the strictest heading counts. Whoever "
            "approves for a team or group has to be a member of it; on GitLab a direct member, as a developer or more, "
            "and for `@@developer` somebody of exactly that role. On GitHub, FlowForge sees who is in a team only if "
            "the App was given the permission *Members: read* by hand. What it cannot find out it does not assume: "
            "owners given by address, and teams that it may not see, have nobody who counts for them, and the report "
            "says so."
        ),
        (
            "```yaml\nversion: 1\ntest_command: make test\napprovals:\n  required: 1\n  requester_may_approve: false\n"
            "  codeowners: true\npaths:\n  - match: docs/**\n    tier: auto\n  - match: infra/**\n    tier: "
            "two_approvals\n"
            "  - match: licences/**\n    tier: never\n```"
        ),
    )


_ON_CHECK_FAILURE: Final = (
    "## on_check_failure",
    (
        "With `fix`, a check run of another App that fails on GitHub, or a pipeline that fails on GitLab, starts the "
        "job of [`/flowforge fix`](life-of-a-proposal.md#a-fix) on the open pull requests whose head it is. It is "
        "asked for by the bot on behalf of the configuration, with the limits of the configuration, and what comes of "
        "it waits for a person's approval like any other fix."
    ),
    (
        "There is one job for each head, however many of its checks fail; it begins with the first of them, and does "
        "not wait for those that still run. A job that is at work on the pull request is waited for; while a proposal "
        "for that head waits for an answer, nothing begins. Of a head that FlowForge made itself, by whatever "
        "command, nothing begins either."
    ),
    (
        "The head of a fork needs an `ok` from somebody with write permission, unless its author may write here. That "
        "holds with `fork_pull_requests: allow` as well: the stranger who pushes would be the only one to ask."
    ),
    (
        "Where a rule says no, no comment tells of it, since nobody asked: the log and the record of decisions do, and "
        "the head counts as seen."
    ),
    "```yaml\nversion: 1\non_check_failure: fix\nbudget_usd: 2\n```",
)


def _quiet_hours(schema: dict[str, Any], header: str) -> tuple[str, ...]:
    entry = ("quiet_hours", 0)
    return (
        "## quiet_hours",
        (
            "Within them FlowForge begins nothing by itself: a push that brings pull requests into conflict is looked "
            "at, but told of, and resolved where `on_conflict` says so, when the hours end, as far as there still is a "
            "conflict then; so it is with checks that fail. A proposal of the tier `auto` that is ready within them "
            "waits for a person. Commands, buttons, labels and assignments are people's, and are obeyed at any hour."
        ),
        header + "\n".join(_setting(key, schema, entry) for key in keys(schema, entry)),
        (
            "```yaml\nversion: 1\nquiet_hours:\n  - timezone: Europe/Berlin\n    hours: 18:00-08:00\n"
            "  - timezone: Europe/Berlin\n    hours: 08:00-18:00\n    days: [sat, sun]\n```"
        ),
    )


def _shared() -> tuple[str, ...]:
    rows = [f"| `{key}` | {_cell(rule.says)} |" for key, rule in PROTECTIONS.items()]
    return (
        "## For a whole organisation",
        (
            f"What stands in `{SHARED_PATH}` on the default branch of the repository `{SHARED_REPOSITORY}` holds for "
            "all "
            "repositories of the same organisation or user. It has the same keys. On GitLab the group has the "
            f"project, called `{SHARED_REPOSITORY.removeprefix('.')}` there since GitLab's names begin with no dot, "
            "and the groups around it are read as well, the outermost first. Without the file nothing changes."
        ),
        (
            "Make that repository before somebody else does, and protect its default branch: whoever may write there "
            "decides what holds wherever a repository says nothing itself. Many organisations let every member make "
            "repositories, and groups on GitLab every Developer."
        ),
        (
            "FlowForge reads it with a token for that one repository, so the App has to be installed on it: where "
            "the App "
            "is installed on selected repositories only, select it too."
        ),
        (
            "A forge does not tell an absent file from one that FlowForge may not see. So `/flowforge config` and, on "
            "GitHub, `flowforge doctor` say where none was read, and `FLOWFORGE_REQUIRE_ORGANISATION_CONFIG=true` on "
            "the server lets nothing begin and nothing be pushed there."
        ),
        (
            "A repository decides for itself what its own file says, except about protections: of them the stricter "
            "value "
            "counts, whichever file says it. A repository that says less is not in error; it just does not have its "
            "way."
        ),
        "| Key | Where both files say something |\n|---|---|\n" + "\n".join(rows),
        (
            "For example, this leaves the tests and the budget below 10 dollars to the repositories, and nothing of "
            "the "
            "rest:"
        ),
        (
            "```yaml\nversion: 1\npermissions:\n  approve: maintain\nbudget_usd: 10\nprotected_paths:\n  - deploy/**\n"
            "tests_must_pass: true\nfork_pull_requests: off\n```"
        ),
        (
            f"While `{SHARED_PATH}` is invalid, jobs are refused in all of these repositories, and the refusal names "
            "that "
            "file, its line and its key. Check it before you push it: `flowforge config check --organisation FILE`, "
            "and "
            "with a repository's file as well to see what comes of the two: "
            f"`flowforge config check --organisation FILE --effective {CONFIG_PATH}`."
        ),
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _setting(key: str, root: dict[str, Any], path: tuple[str | int, ...]) -> str:
    declared = at(root, path)["properties"][key]
    schema = resolve(declared, root)
    nested = schema.get("type") == "object"
    allowed = f"a mapping, see [{key}](#{key})" if nested else expectation(schema, root)
    default = declared.get("default")
    required = key in at(root, path)["required"]
    shown = "required" if required else "" if nested or default is None else f"`{json.dumps(default)}`"
    meaning = declared.get("description") or schema.get("description", "")
    return f"| `{key}` | {_cell(allowed)} | {shown} | {_cell(meaning)} |"
