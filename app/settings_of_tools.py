"""What commands read of whoever runs them on their own machine: nothing of a service."""

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class LocalSettings(BaseSettings):
    """What the commands that work in a clone read: names that Anthropic's own tools read too, and nothing of a service.

    Without a key no model is asked.
    """

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    anthropic_api_key: SecretStr | None = Field(default=None, description="the model key of whoever runs the command")
    anthropic_base_url: str = Field(default="https://api.anthropic.com", description="where the Messages API is")
    model: str = Field(
        default="claude-sonnet-4-5",
        validation_alias="FLOWFORGE_MODEL",
        description="model used when nothing else is asked for",
    )

    @property
    def key(self) -> str | None:
        """The key, None where it is not set or empty."""
        value = "" if self.anthropic_api_key is None else self.anthropic_api_key.get_secret_value().strip()
        return value or None


class DemoSettings(BaseSettings):
    """What the demo reads of whoever runs it: the name under which providers hand out a database."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    database_url: SecretStr | None = Field(default=None, description="a PostgreSQL for `--database postgresql`")
