"""The guest image: what is in it, what is not, and that it really runs."""

import hashlib
import json
import re
import stat
import subprocess
import tarfile
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import runners
from runners.guest.task import task_from_environment
from runners.image.build import BuiltImage, build_offline, guest_files, main
from runners.image.debian import fetch_packages, read_lock
from runners.image.errors import ImageError
from runners.image.pin import LOCK
from runners.image.recipe import CONTAINERFILE, Recipe, read_recipe
from runners.protocol import PROTOCOL_VERSION
from runners.sandbox import CLAUDE, DOOR_DIR, TASK_DIR, USER_ID
from tests.image.engine import Engine, needs_engine

UNWANTED = (
    *("apt", "apt-get", "dpkg", "perl", "git", "curl", "wget", "nc", "ssh", "scp", "openssl", "mount", "su", "sudo"),
    *("sh", "dash", "bash", "busybox", "ls", "cat", "env", "unshare", "nsenter", "gcc", "ld", "pip", "pip3"),
)
MAX_BASE_BYTES = 60_000_000
SECRETS = re.compile(
    rb"sk-ant-[a-z0-9]{4,}-[A-Za-z0-9_-]{60}|gh[pousr]_[A-Za-z0-9]{36}|AKIA[0-9A-Z]{16}[^0-9A-Z]"
    rb"|-----BEGIN (?:RSA |EC |OPENSSH )?PRIVATE KEY-----\s+[A-Za-z0-9+/=]{40}"
)


class Contents:
    """An image's files as its layers have them, the last layer's word counting."""

    def __init__(self, archive: Path) -> None:
        self.layers: list[str] = []
        self.entries: dict[str, tarfile.TarInfo] = {}
        self._archive = archive
        self._layer_of: dict[str, str] = {}
        with tarfile.open(archive) as image:
            self.manifest: dict[str, Any] = json.loads(_read(image, "manifest.json"))[0]
            self.config: dict[str, Any] = json.loads(_read(image, self.manifest["Config"]))
            for name in self.manifest["Layers"]:
                self.layers.append(name)
                with tarfile.open(fileobj=image.extractfile(name)) as layer:
                    for info in layer:
                        self.entries[info.name] = info
                        self._layer_of[info.name] = name

    def read(self, path: str) -> bytes:
        with (
            tarfile.open(self._archive) as image,
            tarfile.open(fileobj=image.extractfile(self._layer_of[path])) as layer,
        ):
            return _read(layer, path)

    def small_files(self) -> Iterator[tuple[str, bytes]]:
        """Every file except the one of 380 MB."""
        with tarfile.open(self._archive) as image:
            for name in self.layers:
                with tarfile.open(fileobj=image.extractfile(name)) as layer:
                    for info in layer:
                        if info.isfile() and info.size < 2**27:
                            yield info.name, _read(layer, info.name)


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    content = archive.extractfile(name)
    assert content is not None
    return content.read()


@pytest.fixture(scope="module")
def contents(built_image: BuiltImage) -> Contents:
    return Contents(built_image.archive)


@pytest.fixture(scope="module")
def recipe() -> Recipe:
    return read_recipe(CONTAINERFILE.read_text())


@pytest.fixture(scope="module")
def sbom(built_image: BuiltImage) -> list[Mapping[str, Any]]:
    components: list[Mapping[str, Any]] = json.loads(built_image.sbom.read_text())["components"]
    return components


def test_nothing_lends_anybody_s_rights_or_can_be_written(contents: Contents) -> None:
    lending = [name for name, info in contents.entries.items() if info.mode & (stat.S_ISUID | stat.S_ISGID)]
    assert lending == []
    written = {
        name
        for name, info in contents.entries.items()
        if not info.issym() and info.mode & (stat.S_IWGRP | stat.S_IWOTH)
    }
    assert written == {"tmp", "var/tmp", TASK_DIR.strip("/")}
    assert {name for name, info in contents.entries.items() if info.uid or info.gid} == {TASK_DIR.strip("/")}
    assert {info.type for info in contents.entries.values()} == {tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE}


def test_only_python_and_claude_code_are_programs(contents: Contents) -> None:
    programs = {name for name in contents.entries if re.fullmatch(r"(usr/)?(local/)?s?bin/[^/]+", name)}
    assert programs == {"usr/bin/python3", "usr/bin/python3.11", CLAUDE.strip("/")}
    assert not programs & {f"usr/bin/{name}" for name in UNWANTED}
    executable = {
        name
        for name, info in contents.entries.items()
        if info.isfile() and info.mode & stat.S_IXUSR and ".so" not in name
    }
    assert {name for name in executable if not name.endswith(".py")} == {"usr/bin/python3.11", CLAUDE.strip("/")}


def test_it_is_small(contents: Contents) -> None:
    sizes = [info.size for name, info in contents.entries.items() if f"/{name}" != CLAUDE]
    assert sum(sizes) < MAX_BASE_BYTES


def test_no_secret_is_in_it(contents: Contents) -> None:
    found = [(name, SECRETS.search(content)) for name, content in contents.small_files()]
    assert [name for name, hit in found if hit] == []
    assert len(found) > 1000
    assert SECRETS.search(b"x ghp_" + b"a" * 36)


def test_the_guest_is_exactly_the_tree_s(contents: Contents) -> None:
    inside = {name for name, info in contents.entries.items() if name.startswith("opt/") and info.isfile()}
    assert inside == set(guest_files())
    tree = Path(runners.__path__[0])
    for name in inside:
        assert contents.read(name) == (tree.parent / name.removeprefix("opt/flowforge/")).read_bytes()
    assert "opt/flowforge/runners/guest/__main__.py" in inside
    assert task_from_environment.__module__.replace(".", "/") in {name[len("opt/flowforge/") : -3] for name in inside}
    assert not any("supervise" in name or "backends" in name for name in inside)


def test_claude_code_is_the_pinned_one(contents: Contents, recipe: Recipe) -> None:
    assert hashlib.sha256(contents.read(CLAUDE.strip("/"))).hexdigest() == recipe.claude_sha256
    assert recipe.labels["dev.flowforge.claude-code"] == recipe.claude_version == "2.1.330"


def test_it_is_as_the_containerfile_says(contents: Contents, recipe: Recipe) -> None:
    config = contents.config["config"]
    assert config["User"] == recipe.user == f"{USER_ID}:{USER_ID}"
    assert tuple(config["Entrypoint"]) == recipe.entrypoint == ("python3", "-P", "-s", "-m", "runners.guest")
    assert dict(pair.split("=", 1) for pair in config["Env"]) == recipe.environment
    assert recipe.environment["PYTHONPATH"] == "/opt/flowforge"
    assert config["WorkingDir"] == recipe.directory == TASK_DIR
    assert config["Labels"] == recipe.labels
    assert {TASK_DIR.strip("/"), DOOR_DIR.strip("/")} <= contents.entries.keys()
    assert contents.entries["task"].mode == 0o1777


def test_the_labels_say_what_is_in_it(recipe: Recipe) -> None:
    project = tomllib.loads((Path(runners.__path__[0]).parent / "pyproject.toml").read_text())["project"]
    assert recipe.labels["org.opencontainers.image.version"] == project["version"]
    assert recipe.labels["dev.flowforge.protocol"] == str(PROTOCOL_VERSION)
    sdk = next(word for word in project["dependencies"] if word.startswith("claude-agent-sdk=="))
    assert sdk.removeprefix("claude-agent-sdk==") in CONTAINERFILE.read_text()


def test_it_has_a_name_of_its_content_and_one_of_its_version(contents: Contents, built_image: BuiltImage) -> None:
    assert contents.manifest["RepoTags"] == [built_image.reference, "localhost/flowforge-run:0.1.0"]
    assert built_image.reference == f"localhost/flowforge-run:{built_image.key}"


@pytest.mark.usefixtures("built_image")
def test_an_engine_that_is_not_there_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["containerfile", "--engine", "/no/such/engine"]) == 1
    assert main(["offline", "--load", "/no/such/engine"]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("/no/such/engine cannot be started: No such file or directory\n") == 2


@needs_engine("runc")
def test_the_command_line_says_what_it_made(
    engine: Engine, built_image: BuiltImage, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "engine"
    program.write_text(f'#!/bin/sh\nexec {engine.line} "$@"\n')
    program.chmod(0o755)
    assert main(["offline", "--load", str(program)]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["reference"] == built_image.reference
    assert said["archive"] == str(built_image.archive)
    engine.run("image", "exists", "localhost/flowforge-run:0.1.0")


def test_every_source_of_the_containerfile_is_pinned(recipe: Recipe) -> None:
    assert re.fullmatch(r"docker\.io/library/debian:bookworm-slim@sha256:[0-9a-f]{64}", recipe.arguments["BASE"])
    assert re.fullmatch(r"[0-9a-f]{64}", recipe.arguments["CLAUDE_CODE_PACKAGE_SHA256"])
    froms = re.findall(r"^FROM (\S+)", CONTAINERFILE.read_text(), re.MULTILINE)
    assert froms == ["${BASE}", "scratch"]
    assert all(re.fullmatch(r"[0-9a-f]{64}", package.sha256) for package in read_lock(LOCK).packages)


def test_the_list_of_contents_is_what_dpkg_says(
    contents: Contents, sbom: list[Mapping[str, Any]], tmp_path: Path
) -> None:
    lock = read_lock(LOCK)
    listed = {(one["name"], one["version"]) for one in sbom if one["type"] == "library"}
    told = set()
    for number, package in enumerate(fetch_packages(lock, tmp_path / "packages")):
        file = tmp_path / f"{number}.deb"
        file.write_bytes(package)
        words = ["dpkg-deb", "--show", "--showformat=${Package} ${Version}", str(file)]
        name, _, version = subprocess.run(words, check=True, capture_output=True, text=True).stdout.partition(" ")
        told.add((name, version))
    assert listed == told
    inside = {name.rpartition("/")[2] for name in contents.entries if name.startswith("var/lib/dpkg/status.d/")}
    assert inside == {name for name, _ in listed}
    pinned = {package.sha256 for package in lock.packages}
    assert {one["hashes"][0]["content"] for one in sbom if one["type"] == "library"} == pinned


def test_the_list_of_contents_has_claude_code_and_the_guest(
    contents: Contents, built_image: BuiltImage, sbom: list[Mapping[str, Any]], recipe: Recipe
) -> None:
    claude = next(one for one in sbom if one["type"] == "application")
    assert claude["version"] == recipe.claude_version
    assert claude["hashes"] == [{"alg": "SHA-256", "content": recipe.claude_sha256}]
    files = {one["name"]: one["hashes"][0]["content"] for one in sbom if one["type"] == "file"}
    sums = {f"/{name}": hashlib.sha256(content).hexdigest() for name, content in guest_files().items()}
    assert files == sums
    assert contents.read("usr/share/flowforge/sbom.json") == built_image.sbom.read_bytes()


def test_two_builds_are_the_same_bytes(
    built_image: BuiltImage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Only where it is kept is another: all is built anew.
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    again = build_offline()
    assert again.archive != built_image.archive
    assert (again.reference, again.digest) == (built_image.reference, built_image.digest)
    assert _sha256(again.archive) == _sha256(built_image.archive)
    before = again.archive.stat().st_mtime_ns
    assert build_offline() == again
    assert again.archive.stat().st_mtime_ns == before


def test_other_bytes_than_the_pinned_ones_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = read_lock(LOCK)
    mirror = tmp_path / "mirror"
    for package in lock.packages:
        (mirror / package.path).parent.mkdir(parents=True, exist_ok=True)
        (mirror / package.path).write_bytes(b"!<arch>\nsomething else")
    monkeypatch.setenv("FLOWFORGE_DEBIAN_MIRROR", mirror.as_uri())
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(ImageError, match="other bytes than were pinned"):
        fetch_packages(lock, tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


@needs_engine("runc")
def test_the_sealed_image_runs_claude_code(engine: Engine, loaded_image: str, recipe: Recipe) -> None:
    said = engine.run(
        *("run", "--rm", "--network", "none", "--read-only", "--user", "1000:1000", "--cap-drop", "ALL"),
        *("--entrypoint", CLAUDE, loaded_image, "--version"),
    )
    assert said.stdout == f"{recipe.claude_version} (Claude Code)\n"


@needs_engine("runc")
def test_the_sealed_image_runs_its_guest(engine: Engine, loaded_image: str) -> None:
    said = engine.run(
        *("run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL", loaded_image), check=False
    )
    assert said.stderr == "flowforge-guest: FLOWFORGE_RUN_ID is not set\n"


@needs_engine("runc")
def test_all_that_python_has_can_be_used(engine: Engine, loaded_image: str) -> None:
    wanted = "ssl, sqlite3, lzma, bz2, zlib, ctypes, hashlib, uuid, curses, readline, dbm, decimal, unittest, zoneinfo"
    program = (
        f"import {wanted}; zoneinfo.ZoneInfo('Europe/Paris'); print(len(ssl.create_default_context().get_ca_certs()))"
    )
    said = engine.run("run", "--rm", "--network", "none", "--entrypoint", "python3", loaded_image, "-c", program)
    assert int(said.stdout) > 100


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
