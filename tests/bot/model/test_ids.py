import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.model.ids import ExternalId, make_external_id, parse_external_id

IDS = st.text(alphabet="0123456789abcdef", min_size=32, max_size=32)
JOB, PROPOSAL = "0" * 31 + "a", "f" * 32


@given(IDS, st.none() | IDS)
def test_what_is_made_can_be_taken_apart(job: str, proposal: str | None) -> None:
    assert parse_external_id(make_external_id(job, proposal)) == ExternalId(job_id=job, proposal_id=proposal)


@given(st.text(max_size=70) | st.from_regex(r"[0-9a-f]{30,34}(:[0-9a-f]{30,34})?"))
def test_only_our_own_ids_are_taken_apart(text: str) -> None:
    parsed = parse_external_id(text)
    assert parsed is None or make_external_id(parsed.job_id, parsed.proposal_id) == text


@pytest.mark.parametrize(
    "text",
    ["", JOB[1:], JOB + "0", JOB.upper(), f"{JOB}:", f"{JOB}:{PROPOSAL}:", f":{PROPOSAL}", f"{JOB}\n", f"{JOB}:{JOB}0"],
)
def test_anything_else_is_not_ours(text: str) -> None:
    assert parse_external_id(text) is None


@pytest.mark.parametrize(("job", "proposal"), [("x", None), (JOB, ""), (JOB, PROPOSAL.upper()), (JOB + "\n", None)])
def test_no_id_is_made_of_something_else(job: str, proposal: str | None) -> None:
    with pytest.raises(ValueError, match="32 lower-case hexadecimal digits"):
        make_external_id(job, proposal)
