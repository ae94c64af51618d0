"""An engine that does not do all that it is asked: the real one behind a program that a test may spoil."""

import json
import sys
from pathlib import Path

from tests.image.engine import Engine

Fault = dict[str, list[str]]

HONEST: Fault = {}
NETWORK: Fault = {"for": ["--network", "none"], "gives": ["--network", "host"]}
ROOT: Fault = {"for": ["--read-only"], "gives": []}
PRIVILEGES: Fault = {"for": ["--security-opt", "no-new-privileges"], "gives": []}
SILENCE: Fault = {"does": ["nothing"]}
NO_IMAGE: Fault = {"image": ["localhost/flowforge-run:not-there"]}
OTHER_RUNTIME: Fault = {"for": ["--runtime", "runsc", "--runtime-flag", "network=none"], "gives": []} | {
    "and for": ["--runtime-flag", "host-uds=open"]
}

_PROGRAM = """\
#!{python} -IS
import json, os, sys
words, fault = sys.argv[1:], json.load(open({fault!r}))
def replaced(words, wanted, given):
    for at in range(len(words)):
        if wanted and words[at : at + len(wanted)] == wanted:
            return words[:at] + given + words[at + len(wanted) :]
    return words
if "run" in words:
    if fault.get("does"):
        sys.exit(0)
    words = replaced(words, fault.get("for", []), fault.get("gives", []))
    words = replaced(words, fault.get("and for", []), [])
    words = words[:-1] + fault.get("image", words[-1:])
os.execve({program!r}, [*{command!r}, *words], {{**os.environ, "CONTAINERS_CONF": {configuration!r}}})
"""


class FaultyEngine:
    """The command line of an engine in whose way ``fault`` stands."""

    def __init__(self, engine: Engine, directory: Path) -> None:
        self._fault = directory / "fault"
        self._program = directory / "podman"
        self.break_(HONEST)
        self._program.write_text(
            _PROGRAM.format(
                python=sys.executable,
                fault=str(self._fault),
                program=engine.command[0],
                command=list(engine.command),
                configuration=engine.environment["CONTAINERS_CONF"],
            )
        )
        self._program.chmod(0o700)

    @property
    def line(self) -> str:
        """How it is called."""
        return str(self._program)

    def break_(self, fault: Fault) -> None:
        """From now on it has this fault, and only this."""
        self._fault.write_text(json.dumps(fault))
