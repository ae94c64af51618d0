"""Parts of a server in trouble, a model that refuses, one that never ends, and one that is expensive."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from app.demo.model.changed import with_message
from app.demo.model.conversation import READ, Conversation
from app.demo.model.messages import ModelRequest
from app.demo.model.replies import Call, Failure, Held, Message, Raw, Reply, Script, Slow, Text, Tokens, Truncated


def overloaded() -> Failure:
    """529, as Anthropic answers under load."""
    return Failure(status=529, kind="overloaded_error", message="Overloaded")


def rate_limited(retry_after: int) -> Failure:
    """429; ``retry_after`` in seconds."""
    return Failure(
        status=429,
        kind="rate_limit_error",
        message="This request would exceed your rate limit.",
        headers={"retry-after": str(retry_after)},
    )


def server_error() -> Failure:
    """500."""
    return Failure(status=500, kind="api_error", message="Internal server error")


def unauthorized() -> Failure:
    """401."""
    return Failure(status=401, kind="authentication_error", message="invalid x-api-key")


def out_of_credit() -> Failure:
    """402."""
    return Failure(status=402, kind="billing_error", message="Your account has run out of credit.")


def web_page() -> Raw:
    """200 with a web page, as a captive portal answers."""
    return Raw(status=200, content_type="text/html", body=b"<!doctype html><title>Sign in</title>")


def refusal() -> Message:
    """The model declines; see https://docs.anthropic.com/en/api/handling-stop-reasons ."""
    return Message(content=(), stop_reason="refusal")


@dataclass(slots=True)
class InTurn:
    """Plays ``replies`` one after the other, one per request, then ``then``; without ``then`` the last one for ever."""

    replies: Sequence[Reply]
    then: Script | None = None
    _played: int = 0

    def reply(self, request: ModelRequest) -> Reply:
        """The next one."""
        if self._played >= len(self.replies) and self.then is not None:
            return self.then.reply(request)
        reply = self.replies[min(self._played, len(self.replies) - 1)]
        self._played += 1
        return reply


@dataclass(frozen=True, slots=True)
class Always:
    """The same reply to every request."""

    what: Reply

    def reply(self, request: ModelRequest) -> Reply:  # noqa: ARG002 - the Script protocol
        """That reply."""
        return self.what


@dataclass(frozen=True, slots=True)
class EndlessTools:
    """Reads the context file again and again: runs out of turns or of money."""

    def reply(self, request: ModelRequest) -> Reply:
        """One more read."""
        talk = Conversation(request=request)
        call = Call(id=talk.new_id("endless", 0), name=READ, input={"file_path": talk.context_path or "context.json"})
        return Message(content=(Text(text="Once more."), call))


@dataclass(frozen=True, slots=True)
class Costly:
    """``script``, with every message claiming ``tokens``."""

    script: Script
    tokens: Tokens

    def reply(self, request: ModelRequest) -> Reply:
        """What the script says, at another price."""
        return with_message(self.script.reply(request), lambda message: replace(message, tokens=self.tokens))


@dataclass(frozen=True, slots=True)
class Cut:
    """``script`` over a connection that breaks after ``events`` events of each of the first ``times`` streams."""

    script: Script
    events: int
    times: int
    _cuts: list[int] = field(default_factory=list)

    def reply(self, request: ModelRequest) -> Reply:
        """The script's reply, whole or broken off."""
        reply = self.script.reply(request)
        if not isinstance(reply, Message) or not request.stream or len(self._cuts) >= self.times:
            return reply
        self._cuts.append(request.index)
        return Truncated(message=reply, events=self.events)


@dataclass(frozen=True, slots=True)
class Unhurried:
    """``script`` with ``seconds`` between the events."""

    script: Script
    seconds: float

    def reply(self, request: ModelRequest) -> Reply:
        """The script's reply, slowly."""
        reply = self.script.reply(request)
        return Slow(message=reply, seconds=self.seconds) if isinstance(reply, Message) else reply


@dataclass(frozen=True, slots=True)
class HeldBack:
    """``script`` whose messages stop after ``events`` events; ``held`` are they, to be released or not."""

    script: Script
    events: int
    held: list[Held] = field(default_factory=list)

    def reply(self, request: ModelRequest) -> Reply:
        """The script's reply, held."""
        reply = self.script.reply(request)
        if not isinstance(reply, Message):
            return reply
        self.held.append(Held(message=reply, events=self.events))
        return self.held[-1]
