"""How many tokens a prompt can have at most."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.gateway.bodies import CallBody
from app.gateway.bounds import CountedPrompt, Prompt, prompt_of

WINDOW = 10_000_000
MARK = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}


def _prompt(*messages: Any, **fields: Any) -> Prompt:
    return prompt_of(CallBody(value={"model": "m", "max_tokens": 5, "messages": list(messages), **fields}))


def _says(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(blocks)}


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _bound(prompt: Prompt, counted: CountedPrompt | None = None) -> int:
    return (counted or CountedPrompt()).bound(prompt, context_window=WINDOW)


def _picture(data: str) -> dict[str, Any]:
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}}


@given(st.lists(st.text(max_size=50), max_size=8), st.text(max_size=50))
def test_there_is_never_more_than_a_token_a_byte(texts: list[str], system: str) -> None:
    prompt = _prompt(*(_says(_text(text)) for text in texts), system=system)
    assert _bound(prompt) >= sum(len(text.encode("utf-8", "surrogatepass")) for text in [*texts, system])


def test_a_conversation_that_grows_costs_its_growth_only() -> None:
    long = _says(_text("x" * 100_000))
    counted = CountedPrompt()
    counted.remember(_prompt(long), 25_000)
    bound = _bound(_prompt(long, _says(_text("y" * 500))), counted)
    assert 25_500 <= bound < 28_000
    assert _bound(_prompt(long), counted) < 27_000


def test_cache_marks_move_without_making_it_another_conversation() -> None:
    counted = CountedPrompt()
    counted.remember(_prompt(_says(_text("x" * 100_000) | MARK), system=[_text("s") | MARK]), 25_000)
    grown = _prompt(_says(_text("x" * 100_000)), _says(_text("y") | MARK), system=[_text("s")])
    assert _bound(grown, counted) < 27_000


def test_another_beginning_is_counted_by_its_bytes() -> None:
    counted = CountedPrompt()
    counted.remember(_prompt(_says(_text("x" * 100_000))), 25_000)
    assert _bound(_prompt(_says(_text("z" + "x" * 99_999))), counted) > 100_000
    assert _bound(_prompt(_says(_text("x" * 100_000)), system="other"), counted) > 100_000


def test_a_text_in_the_place_of_a_cache_mark_is_counted() -> None:
    hidden = _text("x") | {"cache_control": {"type": "ephemeral", "ttl": "y" * 5000}}
    assert _bound(_prompt(_says(hidden))) > 5000
    counted = CountedPrompt()
    counted.remember(_prompt(_says(_text("x"))), 10)
    assert _bound(_prompt(_says(hidden)), counted) > 5000


def test_pictures_are_counted_by_their_number() -> None:
    tool_result = {"type": "tool_result", "tool_use_id": "t", "content": [_picture("B" * 300_000)]}
    bound = _bound(_prompt(_says(_picture("A" * 300_000), tool_result)))
    assert 10_000 <= bound < 13_000


def test_what_only_looks_like_a_picture_is_counted_as_text() -> None:
    call = {"type": "tool_use", "id": "t", "name": "Read", "input": _picture("A" * 30_000)}
    result = {"type": "tool_result", "tool_use_id": "t", "content": json.dumps(_picture("A" * 30_000))}
    assert _bound(_prompt(_says(call))) > 30_000
    assert _bound(_prompt(_says(result))) > 30_000


def test_a_pdf_may_fill_the_window() -> None:
    pdf = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"}}
    assert _bound(_prompt(_says(pdf))) == WINDOW


def test_nothing_is_more_than_the_window() -> None:
    assert CountedPrompt().bound(_prompt(_says(_text("x" * 5000))), context_window=3000) == 3000
