"""What ``flowforge gitlab setup`` reads of the settings: nothing of a database, of a model or of another forge."""

from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode

from app.forge_settings import GITLAB_URL, ForgeEntry, GitLabEntry, GitLabHost
from app.settings import FileSettings, key_file, read_list
from bot.errors import SettingsError
from bot.model.forge import ForgeName


class GitLabSetupSettings(FileSettings):
    """The first GitLab, whose webhook secret may have to be made yet."""

    gitlab_url: str = Field(default=GITLAB_URL, description="base URL of GitLab, as people see it")
    gitlab_token: SecretStr = Field(description="a token of the project, of the group or of a person")
    gitlab_webhook_secrets: Annotated[tuple[SecretStr, ...], NoDecode] = Field(
        default=(), description="the webhook secrets that the service takes already, separated by commas"
    )

    @field_validator("gitlab_webhook_secrets", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


class FurtherForgesSettings(FileSettings):
    """The list of the further Apps and hosts, and nothing else."""

    forges: Annotated[tuple[ForgeEntry, ...], NoDecode] = Field(
        default=(), description="further Apps and hosts: a JSON list"
    )

    @field_validator("forges", mode="before")
    @classmethod
    def _read(cls, value: object) -> object:
        return (read_list(value) if value.strip() else ()) if isinstance(value, str) else value

    def gitlab(self, name: ForgeName) -> GitLabHost:
        """The further GitLab of that name, with its secrets read.

        Raises:
            SettingsError: there is none, or one of its files cannot be read.
        """
        entry = next((one for one in self.forges if one.name == name), None)
        if not isinstance(entry, GitLabEntry):
            raise SettingsError(f"{name} is no GitLab in FLOWFORGE_FORGES: add its entry there first")
        try:
            return entry.loaded(key_file)
        except ValueError as error:
            raise SettingsError(str(error)) from None
