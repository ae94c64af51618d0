"""The list of what is in the image, as CycloneDX: the packages, Claude Code and every file of the guest.

https://cyclonedx.org/docs/1.5/json/
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from runners.image.recipe import Recipe

SBOM_PATH: Final = "usr/share/flowforge/sbom.json"


def write_sbom(
    recipe: Recipe,
    packages: Sequence[Mapping[str, str]],
    checksums: Sequence[str],
    guest: Mapping[str, str],
) -> bytes:
    """The document; the same bytes for the same image.

    Args:
        recipe: names Claude Code and the image's version.
        packages: the control fields of Debian's packages.
        checksums: SHA-256 of each package, in the same order.
        guest: SHA-256 of the guest's files, by path.
    """
    debian = [_package(fields, sha256) for fields, sha256 in zip(packages, checksums, strict=True)]
    files = [
        {"type": "file", "bom-ref": f"file:/{path}", "name": f"/{path}", "hashes": _sha256(sha256)}
        for path, sha256 in guest.items()
    ]
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "component": {
                "type": "container",
                "bom-ref": "flowforge-run",
                "name": "flowforge-run",
                "version": recipe.labels["org.opencontainers.image.version"],
            },
        },
        "components": [*sorted(debian, key=lambda one: str(one["name"])), _claude(recipe), *files],
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def _package(fields: Mapping[str, str], sha256: str) -> dict[str, Any]:
    name, version, architecture = fields["Package"], fields["Version"], fields["Architecture"]
    # https://github.com/package-url/purl-spec/blob/main/types-doc/deb-definition.md
    purl = f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={architecture}&distro=debian-12"
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        "hashes": _sha256(sha256),
    }


def _claude(recipe: Recipe) -> dict[str, Any]:
    purl = f"pkg:npm/%40anthropic-ai/claude-code-linux-x64@{recipe.claude_version}"
    return {
        "type": "application",
        "bom-ref": purl,
        "name": "@anthropic-ai/claude-code-linux-x64",
        "version": recipe.claude_version,
        "purl": purl,
        "hashes": _sha256(recipe.claude_sha256),
    }


def _sha256(value: str) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": value}]
