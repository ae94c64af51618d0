import pytest

from bot.model.forge import ForgeKind


@pytest.fixture(params=tuple(ForgeKind), ids=lambda kind: kind.value)
def forge(request: pytest.FixtureRequest) -> ForgeKind:
    """Where a scenario is played: on one forge after the other."""
    kind: ForgeKind = request.param
    return kind
