"""What a worker does with results: ingest and prove them. A program of its own, so that its system calls can be seen.

Standard input is a JSON list of archives as base64. Between two marks, which are paths that are looked for and are not
there, every archive is read and what is in it is put to the gate; standard output gets one word for each. With
``careless`` they are unpacked into a directory first, as one would without a thought: the control.
"""

import base64
import io
import json
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

from bot.errors import IngestError
from bot.validation.gate import run_gate
from runners.archives import TarArchives
from tests.bot.validation.candidates import Sides, candidate
from tests.runners.bench import LIMITS

BEGIN, END = Path("/flowforge-begin"), Path("/flowforge-end")
PATH = "src/a.py"
SIDES = Sides(ours=b"import os\nimport sys\n", ancestor=b"import os\n", theirs=b"import os\nimport re\n")
HONEST = b"import os\nimport sys\nimport re\n"


def main() -> None:
    archives = [base64.b64decode(one) for one in json.load(sys.stdin)]
    case = candidate(HONEST, path=PATH, **SIDES)
    careless = Path(sys.argv[2]) if sys.argv[1:2] == ["careless"] else None
    said = []
    BEGIN.exists()
    for archive in archives:
        if careless is not None:
            with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
                tar.extractall(careless, filter="fully_trusted")  # noqa: S202 - what must never be done
        try:
            answer = TarArchives().read(archive, limits=LIMITS)
        except IngestError:
            said.append("refused as a whole")
            continue
        (resolution,) = case.resolutions
        resolution = replace(resolution, content=answer.changed.get(PATH))
        changed: dict[str, bytes | None] = {**answer.changed, **dict.fromkeys(answer.deleted)}
        modes = dict.fromkeys(answer.changed, "100644")
        judged = run_gate(replace(case, resolutions=(resolution,), changed=changed, modes=modes))
        said.append(judged.verdict.value)
    END.exists()
    json.dump(said, sys.stdout)


if __name__ == "__main__":
    main()
