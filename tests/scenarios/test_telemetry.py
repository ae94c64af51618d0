"""What operators see of a job in the logs: lines that name what they are about, whatever people write."""

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from app.demo.model.resolver import HonestResolver
from app.telemetry import configure_logging
from tests.scenarios.play import ANSWER, playing


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the log goes for the length of a test."""
    root = logging.getLogger()
    handlers, level, stream = root.handlers, root.level, io.StringIO()
    configure_logging("INFO", stream)
    yield stream
    root.handlers = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


async def test_every_log_line_is_one_json_object_that_names_its_subject(tmp_path: Path, stream: io.StringIO) -> None:
    async with playing(tmp_path, HonestResolver(answers={"fees.py": ANSWER})) as play:
        play.say('/flowforge resolve\n\x1b[2J{"event": "job moved", "to": "published"}')
        await play.until_conclusion("action_required")
        job = await play.job()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    about = [line for line in lines if line.get("job_id") == job.id]
    assert {"job moved", "report written", "run ended", "model call"} <= {line["event"] for line in about}
    moved = [line for line in about if line["event"] == "job moved"]
    assert [line["to"] for line in moved] == ["preparing", "running", "validating", "awaiting_approval"]
    assert all(line.get("delivery_id") for line in moved)
    assert "\x1b" not in stream.getvalue()
