"""Files of a repository, without a clone."""

import base64
import binascii
from typing import Final

import msgspec

from bot.errors import ForgeNotFoundError, ForgeRefusedError, ForgeUnavailableError
from bot.forges.github import answers
from bot.forges.github.app_auth import Act
from bot.forges.github.client import GitHubClient
from bot.model.forge import RepositoryRef

MAX_FILE_BYTES: Final = 1024 * 1024
"""What the contents API hands out with all of a file's facts.

https://docs.github.com/en/rest/repos/contents#get-repository-content
"""

MAX_DIRECTORY_ENTRIES: Final = 1000
"""GitHub lists no more of a directory; what is not among them cannot be looked up."""

_TOO_LARGE: Final = 413


async def read(client: GitHubClient, repository: RepositoryRef, path: str, *, ref: str) -> bytes | None:
    """The content of a regular file; None for directories, submodules and symbolic links.

    GitHub answers a symbolic link to a file with that file, so the directory is asked too what the path is.
    https://docs.github.com/en/rest/repos/contents#get-repository-content

    Raises:
        ForgeRefusedError: the file is larger than 1 MB.
    """
    segments = path.split("/")
    if not {"", ".", ".."}.isdisjoint(segments):
        return None
    url = "/contents{/segments*}{?ref}"
    try:
        answer = await client.get(repository, Act.READ, url, object, segments=segments, ref=ref)
        if isinstance(answer, list):
            return None
        content = _file_content(answer, path)
        entries = await client.get(
            repository, Act.READ, url, list[answers.ContentItem], segments=segments[:-1], ref=ref
        )
    except ForgeNotFoundError:
        return None
    kinds = {entry.path: entry.type for entry in entries}
    unlisted = "file" if len(entries) >= MAX_DIRECTORY_ENTRIES else None
    return content if kinds.get(path, unlisted) == "file" else None


def _file_content(answer: object, path: str) -> bytes | None:
    try:
        item = msgspec.convert(answer, answers.ContentItem)
        if item.type != "file":
            return None
        if item.size > MAX_FILE_BYTES:
            raise ForgeRefusedError(f"{path} is larger than {MAX_FILE_BYTES} bytes", status=_TOO_LARGE)
        content = base64.b64decode(item.content.replace("\n", ""), validate=True)
    except (msgspec.ValidationError, binascii.Error):
        raise ForgeUnavailableError("GitHub's answer about a file's content is not as documented") from None
    if item.encoding != "base64" or len(content) != item.size:
        raise ForgeUnavailableError("GitHub's answer about a file's content is not whole")
    return content
