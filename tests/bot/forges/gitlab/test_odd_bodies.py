"""Bodies with odd values, torn ones and any others: an event or a PayloadError, nothing else ever (ADV-062)."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bot.errors import PayloadError
from bot.forges.gitlab.deliveries import DECODED_EVENTS, SYSTEM_HOOK
from bot.model.events import Unused
from tests.bot.forges.gitlab import samples
from tests.bot.forges.gitlab.test_decoding import decode, labels
from tests.bot.forges.odd import changed, spots, values

WHOLE = {
    "note_hook": samples.note(),
    "merge_request_hook": samples.merge_request("update", changes={"draft": {"previous": True, "current": False}}),
    "push_hook": samples.push(),
    "issue_hook": samples.issue("update", changes={"labels": {"previous": [], "current": labels("flowforge")}}),
    "emoji_hook": samples.emoji(),
    "pipeline_hook": samples.pipeline(target=samples.PROJECT_ID),
    SYSTEM_HOOK: samples.push(),
}


def test_every_decoded_event_has_a_sample() -> None:
    assert set(WHOLE) == DECODED_EVENTS
    assert not any(isinstance(decode(event, payload), Unused) for event, payload in WHOLE.items())


JSON = values(["create", "update", "MergeRequest"], ["id", "iid", "current"])

# What the decoder reads, so that mutations hit something: the whole payloads have a hundred fields.
READ = {
    "author_id", "event_type", "name", "sha", "status", "tag",
    "assignees", "default_branch", "description", "labels", "previous", "title",
    "action", "after", "before", "changes", "confidential", "created_at", "current", "draft", "id", "iid", "internal",
    "issue", "last_commit", "merge_request", "note", "noteable_type", "object_attributes", "object_kind", "oldrev",
    "path_with_namespace", "project", "ref", "state", "system", "target_branch", "target_project_id", "updated_at",
    "user", "user_id", "user_username", "username",
}  # fmt: skip
SPOTS = [(event, path) for event, payload in WHOLE.items() for path in spots(payload) if set(path) <= READ]


@given(spot=st.sampled_from(SPOTS), value=JSON)
@settings(max_examples=300)
def test_one_odd_value_gives_an_event_or_a_payload_error(spot: tuple[str, tuple[str, ...]], value: Any) -> None:
    event, path = spot
    body = json.dumps(changed(WHOLE[event], ".".join(path), value)).encode()
    try:
        decoded = decode(event, body)
    except PayloadError:
        return
    # What comes through can be stored and sent on.
    assert "\0" not in repr(decoded)
    repr(decoded).encode("utf-8")


@given(
    event=st.sampled_from(sorted(DECODED_EVENTS)), body=st.binary() | JSON.map(lambda value: json.dumps(value).encode())
)
def test_any_body_gives_an_event_or_a_payload_error(event: str, body: bytes) -> None:
    try:
        decode(event, body)
    except PayloadError:
        return


@given(event=st.sampled_from(sorted(DECODED_EVENTS)), cut=st.integers(min_value=0, max_value=5_000), noise=st.binary())
def test_a_torn_body_gives_an_event_or_a_payload_error(event: str, cut: int, noise: bytes) -> None:
    body = json.dumps(WHOLE[event]).encode()
    try:
        decode(event, body[:cut] + noise + body[cut + 1 :])
    except PayloadError:
        return
