"""Files of a repository, without a clone."""

import base64
import binascii
from typing import Final

from bot.config_keys import SHARED_PATH, SHARED_REPOSITORY
from bot.errors import ForgeNotFoundError, ForgeRefusedError, ForgeUnavailableError
from bot.forges.gitlab import answers
from bot.forges.gitlab.client import GitLabClient, encoded
from bot.model.forge import ConfigFile, RepositoryRef

PIPELINE: Final = ".gitlab-ci.yml"
MAX_FILE_BYTES: Final = 1024 * 1024
_TOO_LARGE: Final = 413
_REGULAR: Final = frozenset({"100644", "100755"})


GROUP_PROJECT: Final = SHARED_REPOSITORY.removeprefix(".")
"""The project of a group whose file holds for all of the group: GitLab's names begin with no dot.

https://docs.gitlab.com/user/reserved_names/#rules-for-usernames-project-and-group-names-and-slugs
"""


def group_projects(group: str) -> list[str]:
    """The projects that speak for a group and those around it, the outermost first, whether there are any or not."""
    names = group.split("/")
    return ["/".join([*names[: depth + 1], GROUP_PROJECT]) for depth in range(len(names))]


async def group_config(client: GitLabClient, group: str) -> tuple[ConfigFile, ...]:
    """The files of a group and of those around it, the outermost first, as far as the token may see them."""
    found: list[ConfigFile] = []
    for project in group_projects(group):
        data = await _read(client, encoded(project), SHARED_PATH, ref="HEAD")
        if data is not None:
            found.append(ConfigFile(path=f"{project}/{SHARED_PATH}", data=data))
    return tuple(found)


async def pipeline_file(client: GitLabClient, repository: RepositoryRef) -> str | None:
    """Where the project has its pipeline; None where that is another project's file, or one from elsewhere.

    https://docs.gitlab.com/ci/pipelines/settings/#specify-a-custom-cicd-configuration-file
    """
    project = await client.get(f"/projects/{repository.id}", answers.Project)
    path = project.ci_config_path or PIPELINE
    return None if "@" in path or "://" in path else path.lstrip("/")


async def read(client: GitLabClient, repository: RepositoryRef, path: str, *, ref: str) -> bytes | None:
    """The content of a file in ``repository``; see ``_read``."""
    return await _read(client, str(repository.id), path, ref=ref)


async def _read(client: GitLabClient, project: str, path: str, *, ref: str) -> bytes | None:
    """The content of a regular file; None for directories, submodules and symbolic links.

    GitLab answers a symbolic link with the path in it, so the directory is asked what the path is. Its size is asked
    for before the content, which comes whole.
    https://docs.gitlab.com/api/repository_files/#retrieve-a-file-from-a-repository

    Raises:
        ForgeRefusedError: the file is larger than 1 MB.
    """
    segments = path.split("/")
    if not {"", ".", ".."}.isdisjoint(segments):
        return None
    url = f"/projects/{project}/repository/files/{encoded(path)}"
    try:
        size = (await client.head(url, ref=ref)).get("x-gitlab-size", "")
        if not await _is_regular(client, project, path, ref=ref):
            return None
        if size.isdecimal() and int(size) > MAX_FILE_BYTES:
            raise ForgeRefusedError(f"{path} is larger than {MAX_FILE_BYTES} bytes", status=_TOO_LARGE)
        found = await client.get(url, answers.File, ref=ref)
    except ForgeNotFoundError:
        return None
    return _content(found)


async def _is_regular(client: GitLabClient, project: str, path: str, *, ref: str) -> bool:
    """https://docs.gitlab.com/api/repositories/#list-all-repository-trees-in-a-project ."""
    directory = path.rpartition("/")[0]
    url = f"/projects/{project}/repository/tree"
    async for page in client.pages(url, list[answers.TreeEntry], path=directory, ref=ref):
        for entry in page:
            if entry.path == path:
                return entry.type == "blob" and entry.mode in _REGULAR
    return False


def _content(found: answers.File) -> bytes:
    try:
        content = base64.b64decode(found.content.replace("\n", ""), validate=True)
    except binascii.Error:
        raise ForgeUnavailableError("GitLab's answer about a file's content is not as documented") from None
    if found.encoding != "base64" or len(content) != found.size:
        raise ForgeUnavailableError("GitLab's answer about a file's content is not whole")
    return content
