"""The API for programs."""

from litestar.testing import create_test_client

from app.http.api import api_endpoints
from bot.commands import COMMANDS


def test_the_command_table_can_be_read_by_programs() -> None:
    with create_test_client(api_endpoints()) as client:
        answer = client.get("/api/commands")
    assert answer.status_code == 200
    assert [command["name"] for command in answer.json()["commands"]] == [spec.name for spec in COMMANDS]
