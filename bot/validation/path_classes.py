"""What kind of file a path is, as far as a change in it does more than its text says."""

import re
from enum import StrEnum
from fnmatch import translate
from functools import lru_cache
from typing import Final

from bot.globs import matches


class PathClass(StrEnum):
    """Files that run on their own, bring other code in, or are not read by people. The values are words for readers."""

    LOCK = "a lock file"
    MANIFEST = "a list of dependencies"
    BUILD = "run when the project is built, installed or tested"
    GENERATED = "a generated file"


_NAMES: Final = {
    PathClass.LOCK: """
        *.lock package-lock.json npm-shrinkwrap.json pnpm-lock.yaml bun.lockb go.sum gradle.lockfile *.lock.json
        package.resolved cartfile.resolved packages.lock.json requirements.lock verification-metadata.xml go.work.sum
        .terraform.lock.hcl
    """,
    PathClass.MANIFEST: """
        package.json requirements*.txt *requirements.txt constraints*.txt pyproject.toml pipfile environment.y*ml
        cargo.toml go.mod go.work pom.xml *.gradle *.gradle.kts *.versions.toml *.sbt gemfile *.gemspec composer.json
        mix.exs rebar.config package.swift podfile *.podspec cartfile *.csproj *.fsproj *.vbproj packages.config
        directory.packages.props paket.dependencies pubspec.yaml deps.edn project.clj bower.json conanfile.txt
        vcpkg.json flake.nix .npmrc .yarnrc .yarnrc.yml pip.conf .pypirc nuget.config gradle.properties
        gradle-wrapper.properties pnpm-workspace.yaml stack.yaml *.cabal cabal.project brewfile .tool-versions
        rust-toolchain rust-toolchain.toml requirements*.in *requirements.in constraints*.in requirements.y*ml uv.toml
        poetry.toml pixi.toml conda.y*ml deno.json deno.jsonc jsr.json jsr.jsonc import_map.json importmap.json
        bunfig.toml chart.y*ml elm.json cpanfile gems.rb shard.yml dub.json dub.sdl *.rockspec galaxy.y*ml .mise.toml
        mise.toml devbox.json
    """,
    PathClass.BUILD: """
        makefile gnumakefile *.mk makefile.am makefile.in cmakelists.txt *.cmake meson.build configure configure.ac
        configure.in *.m4 sconstruct wscript setup.py setup.cfg conftest.py conanfile.py noxfile.py fabfile.py tox.ini
        pytest.ini sitecustomize.py usercustomize.py *.pth build.rs build.zig rakefile gruntfile.* gulpfile.*
        webpack.config.* vite.config.* rollup.config.* jest.config.* babel.config.* .babelrc* .eslintrc* eslint.config.*
        justfile dockerfile dockerfile.* *.dockerfile containerfile docker-compose*.y*ml compose.y*ml vagrantfile
        earthfile build.bazel workspace.bazel module.bazel .bazelrc *.bzl *.props *.targets mvnw mvnw.cmd gradlew
        gradlew.bat taskfile.y*ml lefthook.y*ml .envrc .rubocop.yml .pre-commit-* action.y*ml *appveyor.yml .drone.yml
        .gitlab-ci*.yml bitbucket-pipelines.yml cloudbuild.y*ml procfile .gitattributes .gitmodules
        .travis.yml jenkinsfile* azure-pipelines*.y*ml .woodpecker.y*ml .cirrus.yml build.xml tiltfile snakefile
        .bazelversion .pnpmfile.cjs pnpmfile.js .pnp.*js next.config.* nuxt.config.* astro.config.* svelte.config.*
        vitest.config.* vitest.workspace.* playwright.config.* cypress.config.* karma.conf.* metro.config.* .mocharc.*
        postcss.config.* .postcssrc* tailwind.config.* esbuild.config.* tsup.config.* lint-staged.config.*
        .lintstagedrc* dangerfile* .drone.star buildspec*.y*ml .goreleaser.y*ml *.nix makefile.pl build.pl
    """,
    PathClass.GENERATED: """
        *.min.js *.min.css *.js.map *.css.map *.pb.go *_pb2.py *.pb.cc *.pb.h *.designer.cs *.g.cs *.generated.*
    """,
}
"""Names without their case, from the guides of the tools. A file of two classes is of the first."""

_EXACT: Final = {
    "BUILD": PathClass.BUILD,
    "WORKSPACE": PathClass.BUILD,
    "Project.toml": PathClass.MANIFEST,
    "Manifest.toml": PathClass.LOCK,
}
"""Bazel's and Julia's names; in small letters they are usual names of other files, directories and programs."""

_DIRECTORIES: Final = {
    PathClass.MANIFEST: ("requirements/*.txt", "requirements/*.in"),
    PathClass.BUILD: (
        ".cargo",
        ".mvn",
        "/project/*.scala",
        ".circleci",
        ".buildkite",
        ".woodpecker",
        ".husky",
        ".githooks",
        ".semaphore",
        ".teamcity",
        "/fastlane",
        "**/.yarn/plugins",
        "**/.yarn/releases",
        "**/docs/**/conf.py",
        "**/doc/**/conf.py",
    ),
    PathClass.GENERATED: ("node_modules", "/vendor", "/third_party"),
}

_PATTERNS: Final = {kind: re.compile("|".join(map(translate, names.split()))) for kind, names in _NAMES.items()}

_TEST_DIRECTORY: Final = re.compile(r"(?:^|/)(?:tests?|specs?|__tests__|e2e|unittests?)/", re.IGNORECASE)
_TEST_NAME: Final = re.compile(
    r"(?:^|/)(?:test[_-][^/]*|[^/]*[._-](?:test|tests|spec|specs)\.[^/.]+|[^/]*(?:Tests?|Spec|Suite)\.[A-Za-z]+)$",
)


@lru_cache(maxsize=4096)
def class_of(path: str) -> PathClass | None:
    """The class of a path, None for an ordinary file."""
    name = path.rpartition("/")[2]
    if name in _EXACT:
        return _EXACT[name]
    for kind, pattern in _PATTERNS.items():
        if pattern.match(name.casefold()) or matches(path, _DIRECTORIES.get(kind, ())) is not None:
            return kind
    return None


def is_test(path: str) -> bool:
    """Whether a file holds tests, by the usual names."""
    return _TEST_NAME.search(path) is not None or _TEST_DIRECTORY.search(path) is not None
