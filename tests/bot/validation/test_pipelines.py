"""What a GitLab pipeline includes, in all the ways that GitLab documents, and in those that nobody can follow."""

import pytest

from bot.validation.pipelines import ANY, MAX_BYTES, covers, included


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("include: ci/build.yml\n", {"ci/build.yml"}),
        ("include: '/ci/build.yml'\n", {"ci/build.yml"}),
        ("include:\n  - ci/a.yml\n  - local: ci/b.yaml\n", {"ci/a.yml", "ci/b.yaml"}),
        ("include:\n  local: ci/b.yml\n  rules:\n    - if: $X\n", {"ci/b.yml"}),
        ("include: {local: 'ci/*.yml'}\n", {"ci/any.yml"}),
        ("include: {local: 'ci/**.yml'}\n", {"ci/any.yml", "ci/deep/any.yml"}),
        ("include: {local: 'ci/**/*.yml'}\n", {"ci/any.yml", "ci/deep/any.yml"}),
        ("include: {local: 'ci/$WHICH/x.yml'}\n", {"ci/deep/any.yml"}),
        ("include: {local: '$[[ inputs.file ]]'}\n", {"any.yml", "ci/any.yml"}),
        ("x: &all\n  include: {local: ci/b.yml}\n<<: *all\n", {"ci/b.yml"}),
        ("one: &one {local: ci/b.yml}\ninclude: [*one]\n", {"ci/b.yml"}),
        ("child:\n  trigger:\n    include:\n      - local: ci/child.yml\n", {"ci/child.yml"}),
        ("child:\n  trigger:\n    include: ci/child.yml\n", {"ci/child.yml"}),
        ("spec: {inputs: {a: {}}}\n---\ninclude: {local: ci/b.yml}\n", {"ci/b.yml"}),
        ("job: {script: !reference [a, b]}\ninclude: {local: ci/b.yml}\n", {"ci/b.yml"}),
        ("include: {project: acme/fees, file: [ci/a.yml, /ci/b.yml]}\n", {"ci/a.yml", "ci/b.yml"}),
        ("include: {project: $CI_PROJECT_PATH, file: ci/a.yml}\n", {"ci/a.yml"}),
        ("include: {component: $CI_SERVER_FQDN/acme/fees/lint@$CI_COMMIT_SHA}\n", {"templates/lint.yml"}),
        ("include: {component: $CI_SERVER_FQDN/$CI_PROJECT_PATH/lint@1}\n", {"templates/lint/template.yml"}),
    ],
)
def test_what_is_included_counts(text: str, paths: set[str]) -> None:
    patterns = included(text.encode(), project="acme/fees")
    assert patterns != {ANY}
    assert {path for path in paths if not covers(path, (".gitlab-ci.yml", *patterns))} == set()


@pytest.mark.parametrize(
    "text",
    [
        "include: https://example.org/ci/build.yml\n",
        "include:\n  - remote: https://example.org/ci/build.yml\n  - template: ci/build.yml\n",
        "include: {project: acme/other, file: ci/build.yml}\n",
        "include: {component: gitlab.com/acme/other/lint@1}\n",
        "job:\n  script: [cat ci/build.yml]\n  artifacts: {paths: [ci/build.yml]}\n",
        "",
    ],
)
def test_what_is_from_elsewhere_does_not(text: str) -> None:
    assert not covers("ci/build.yml", (".gitlab-ci.yml", *included(text.encode(), project="acme/fees")))


@pytest.mark.parametrize(
    "data",
    [
        b"include: [ci/build.yml\n",
        b"\xff\xfe\x00",
        b"include: " + b"[" * 10_000,
        b"include: [[ci/build.yml]]\n",
        b"x: &x {local: a.yml}\ninclude: {<<: *x}\n",
        b"#" * (MAX_BYTES + 1),
    ],
)
def test_what_nobody_can_follow_may_be_any_yaml_file(data: bytes) -> None:
    patterns = (".gitlab-ci.yml", *included(data, project="acme/fees"))
    assert covers("any/where.YAML", patterns)
    assert not covers("src/app.py", patterns)


def test_the_root_is_a_part_whatever_it_is_called() -> None:
    assert covers("CI/Main", ("ci/main",))
    assert not covers("ci/main.yml", ("ci/main",))
