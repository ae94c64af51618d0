"""What people are told about pauses."""

from typing import Final

from bot.commands import PREFIX
from bot.model.pauses import HeldBy, Hold

BEGUN: Final = (
    "FlowForge is paused in this repository: nothing begins and nothing is pushed. What runs goes on until it would "
    f"push. `{PREFIX} resume` ends the pause."
)
ENDED: Final = "The pause of this repository is over."
NONE: Final = "This repository was not paused. A pause of the whole server is ended by whoever runs it."
WAITING: Final = "paused: it goes on when the pause ends"

_HELD: Final = {
    HeldBy.PAUSE: WAITING,
    HeldBy.SWITCH: "switched off: it goes on when FlowForge is switched on again",
    HeldBy.FAULT: "the configuration is invalid: it goes on when that is right",
}


def held(hold: Hold) -> str:
    """Where a job stands that is held back. Those who may see the pull request read it: it tells no reason."""
    return _HELD[hold.by]
