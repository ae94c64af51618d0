"""Start Claude Code in this directory without any of our options, and say what sang: run inside of a sandbox.

A server on loopback plays the model, so that it is seen what would have been sent. Standard library only.
"""

import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

SUNG = "sung-"

heard: list[str] = []


class Model(http.server.BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        heard.append(self.rfile.read(int(self.headers["content-length"])).decode(errors="replace"))
        self.send_response(400)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_words: object) -> None:
        pass


def main() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Model)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": os.environ["HOME"],
        "TMPDIR": os.environ["TMPDIR"],
        "ANTHROPIC_API_KEY": "none",
        "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{server.server_port}",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_MAX_RETRIES": "0",
    }
    subprocess.run(
        ["/usr/local/bin/claude", "-p", "hello", "--model", "claude-sonnet-5-5"],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    sung = sorted(path.name.removeprefix(SUNG) for path in Path().glob(f"{SUNG}*"))
    programs = {name: shutil.which(name) for name in ("git", "sh", "rg", "node")}
    marked = [word in "".join(heard) for word in sys.argv[1:]]
    sys.stdout.write(json.dumps({"sung": sung, "marked": marked, "programs": programs}) + "\n")


if __name__ == "__main__":
    main()
