"""The router asks the forge that a thing is about, and no other; of one that is not configured it says so."""

import inspect
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import ForgeNotFoundError
from bot.forges.router import ForgeRouter
from bot.model.deliveries import Delivery
from bot.model.forge import Actor, ForgeKind, RepositoryRef, Thread, is_forge_name, kind_of
from bot.model.reports import CommentContent
from bot.ports.forge import Forge

PARTS = st.from_regex(r"[a-z0-9]{1,8}", fullmatch=True)
NAMES = st.builds(lambda kind, words: "-".join([kind, *words]), st.sampled_from(ForgeKind), st.lists(PARTS, max_size=2))


@dataclass
class Told:
    """Stands where an adapter stands, and writes down which of its methods was called with what."""

    names: frozenset[str]
    calls: list[tuple[str, tuple[object, ...], dict[str, object]]] = field(default_factory=list)

    def __getattr__(self, method: str) -> Any:
        def call(*args: object, **kwargs: object) -> object:
            self.calls.append((method, args, kwargs))
            return self._soon() if inspect.iscoroutinefunction(getattr(Forge, method)) else "said"

        return call

    async def _soon(self) -> str:
        return "said"


def methods() -> list[str]:
    return [name for name, _ in inspect.getmembers(Forge, inspect.isfunction) if not name.startswith("_")]


def repository(forge: str) -> RepositoryRef:
    return RepositoryRef(forge=forge, id=7, owner="acme", name="shop", installation_id=0)


def values(method: str, forge: str) -> dict[str, Any]:
    """Something for each parameter of a method of the port, about one forge."""
    kinds = {
        "delivery": Delivery(
            forge=forge, delivery_id="d", event="e", headers={}, body=b"", received_at=datetime.now(UTC)
        ),
        "repository": repository(forge),
        "forge": forge,
        "thread": Thread(number=3),
        "actor": Actor(id=1, login="ada"),
        "content": CommentContent(marker="m", body="b"),
    }
    parameters = list(inspect.signature(getattr(Forge, method)).parameters)[1:]
    return {name: kinds.get(name, name) for name in parameters}


async def ask(router: ForgeRouter, method: str, given: dict[str, Any]) -> object:
    bound = inspect.signature(getattr(router, method)).bind(**given)
    answer = getattr(router, method)(*bound.args, **bound.kwargs)
    return await answer if inspect.isawaitable(answer) else answer


@pytest.mark.parametrize("method", methods())
@pytest.mark.parametrize("name", ["github", "gitlab-acme"])
async def test_whatever_is_asked_goes_whole_to_the_forge_that_it_is_about(method: str, name: str) -> None:
    one, other = Told(frozenset({name})), Told(frozenset({"github-ghes"}))
    given = values(method, name)
    nothing = inspect.signature(getattr(Forge, method)).return_annotation is None
    assert await ask(ForgeRouter([other, one]), method, given) == (None if nothing else "said")
    ((called, args, kwargs),) = one.calls
    assert called == method
    assert inspect.signature(getattr(Forge, method)).bind(None, *args, **kwargs).arguments == {"self": None} | given
    assert other.calls == []


@pytest.mark.parametrize("method", methods())
async def test_a_forge_that_is_not_configured_any_more_is_named(method: str) -> None:
    router = ForgeRouter([Told(frozenset({"github"}))])
    with pytest.raises(ForgeNotFoundError, match="'gitlab-gone' is not configured"):
        await ask(router, method, values(method, "gitlab-gone"))


def test_no_two_forges_go_by_one_name() -> None:
    assert ForgeRouter([Told(frozenset({"github"})), Told(frozenset({"gitlab"}))]).names == {"github", "gitlab"}
    with pytest.raises(ValueError, match="same name"):
        ForgeRouter([Told(frozenset({"github"})), Told(frozenset({"github"}))])


@given(name=NAMES)
def test_a_name_begins_with_its_kind(name: str) -> None:
    assert kind_of(name) == name.split("-", maxsplit=1)[0]


@pytest.mark.parametrize(
    "name",
    ["", "GitHub", "github_acme", "github-", "githubber", "bitbucket", "gitlab-a--b", "github-" + "x" * 26, "gitlab-ü"],
)
def test_other_names_are_none(name: str) -> None:
    assert not is_forge_name(name)
    with pytest.raises(ValueError, match="a forge's name"):
        kind_of(name)
