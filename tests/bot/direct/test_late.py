"""What is not asked of anybody is not loaded either."""

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["app.wiring", "app.local.commands", "app.demo.command"])
def test_a_process_starts_without_the_sdk_of_the_model(module: str) -> None:
    look = f"import sys, {module}; print('anthropic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
