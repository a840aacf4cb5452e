"""A real Chromium before a stage: each test has a page of its own, served by it alone."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.browser.chromium import chromium, find_chromium
from tests.browser.programme import Programme
from tests.browser.stage import Stage, on_stage
from tests.integration.conftest import bitcoind, bitcoind_path, logging_is_configured

__all__ = ["bitcoind", "bitcoind_path", "logging_is_configured"]  # fixtures

# A machine that is busy makes a page late, and no rule wrong.
expect.set_options(timeout=20_000)

OpenPage = Callable[..., Awaitable[Page]]

# Before anything of the page's: each breach of its policy, and each task that held it for longer
# than 50 ms, which is what browsers call long.
WATCH = """
window.breaches = [];
window.longTasks = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.breaches.push(`${event.violatedDirective} ${event.blockedURI}`));
new PerformanceObserver((list) =>
  list.getEntries().forEach(({ duration }) => window.longTasks.push(duration)),
).observe({ type: "longtask", buffered: true });
"""


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The program; where it cannot be had the test is skipped by that name (in CI it fails)."""
    found = find_chromium()
    if found is None:
        pytest.skip("chromium: none found; scripts/get-chromium.sh fetches one")
    return found


@pytest.fixture
async def browser(chromium_path: str) -> AsyncIterator[Browser]:
    async with chromium(chromium_path) as running:
        yield running


@pytest.fixture
def programme() -> Programme:
    return Programme()


@pytest.fixture
async def stage(programme: Programme) -> AsyncIterator[Stage]:
    async with on_stage(programme) as running:
        yield running


@pytest.fixture
async def open_page(browser: Browser) -> AsyncIterator[OpenPage]:
    """Opens a page at an address. At the end of the test it must not have broken its policy, asked
    anybody else for anything, nor thrown an error."""
    errors: list[str] = []
    outside: list[str] = []
    async with AsyncExitStack() as stack:
        pages: list[Page] = []

        async def opened(url: str, **options: Any) -> Page:
            options.setdefault("reduced_motion", "reduce")
            context = await browser.new_context(timezone_id="Asia/Karachi", **options)
            stack.push_async_callback(context.close)
            await context.add_init_script(WATCH)
            host = url.split("/")[2]

            async def route(route: Route) -> None:
                if route.request.url.split("/")[2] == host:
                    await route.continue_()
                else:
                    outside.append(route.request.url)
                    await route.abort()

            await context.route("**/*", route)
            page = await context.new_page()
            page.on("pageerror", lambda error: errors.append(str(error)))
            pages.append(page)
            await page.goto(url)
            return page

        yield opened
        for page in pages:
            assert await page.evaluate("window.breaches") == []
    assert outside == []
    assert errors == []
