"""What people are told about pauses."""

from typing import Final

from bot.commands import PREFIX

BEGUN: Final = (
    "FlowForge is paused in this repository: nothing begins and nothing is pushed. What runs goes on until it would "
    f"push. `{PREFIX} resume` ends the pause."
)
ENDED: Final = "The pause of this repository is over."
NONE: Final = "This repository was not paused. A pause of the whole server is ended by whoever runs it."
WAITING: Final = "paused: it goes on when the pause ends"
