"""A real Chromium that asks nobody but us for anything."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import Browser, async_playwright

OWN_CHROMIUM = Path(__file__).parents[2] / ".tools/chromium/bin/chromium"

# No sandbox: tests may run as root, and only our own page is looked at. The rest keeps the browser
# from asking its makers for updates, lists and time.
FLAGS = (
    "--no-sandbox",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-client-side-phishing-detection",
    "--disable-features=OptimizationHints,MediaRouter,Translate,NetworkTimeServiceQuerying",
    "--no-first-run",
    "--no-pings",
    "--metrics-recording-only",
    # All names lead nowhere, but for one that leads here.
    "--host-resolver-rules=MAP pool.example 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


def find_chromium() -> str | None:
    """What CHROMIUM names, the one on PATH, or one of our own below .tools."""
    candidates = (os.environ.get("CHROMIUM"), shutil.which("chromium"), str(OWN_CHROMIUM))
    return next((each for each in candidates if each and Path(each).exists()), None)


@asynccontextmanager
async def chromium(path: str) -> AsyncIterator[Browser]:
    """A browser that is running."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield browser
        finally:
            await browser.close()
