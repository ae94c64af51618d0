"""A real browser, where the machine has one: it loads a page once and tells what became of it."""

import asyncio
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser")

needs_chromium: Final = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

_PATIENCE: Final = 300
"""Seconds; a browser starts slowly on a busy machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A page as the browser had it in the end, and what its console said."""

    dom: str
    console: str


async def load(url: str, profile: Path) -> Loaded:
    """Open an address in a browser with a profile of its own, and close it.

    The browser is let out of its own sandbox: tests run as root, and show it nothing but our own pages.
    """
    assert CHROMIUM is not None
    process = await asyncio.create_subprocess_exec(
        CHROMIUM,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--no-proxy-server",
        "--enable-logging=stderr",
        f"--user-data-dir={profile}",
        "--dump-dom",
        url,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(_PATIENCE):
            dom, said = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    lines = said.decode("utf-8", "replace").splitlines()
    return Loaded(dom=dom.decode("utf-8", "replace"), console="\n".join(line for line in lines if "CONSOLE" in line))
