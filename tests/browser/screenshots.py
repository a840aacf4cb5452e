"""``make screenshots``: the documents' pictures of the live page, of the made-up programme."""

import asyncio
import sys
from pathlib import Path

from playwright.async_api import Browser, Page

from poolserver.lookout.troubles import Signs, troubles
from tests.browser.chromium import chromium, find_chromium
from tests.browser.ground import NOW, made_up_rig
from tests.browser.programme import Programme
from tests.browser.stage import Stage, on_stage

IMAGES = Path(__file__).parents[2] / "docs/images"

# name, address, theme, width, height, whether the whole length is shown
PICTURES = (
    ("light", "#/overview?span=1d", "light", 1280, 900, False),
    ("dark", "#/overview?span=1d", "dark", 1280, 900, False),
    ("phone", "#/overview?span=1d", "dark", 390, 844, False),
    ("power", "#/power/Sahiwal%2FT2", "light", 1280, 800, False),
    (
        "rigs",
        f"#/rigs/{made_up_rig(34).worker}?site=Sahiwal&sort=worker",
        "light",
        1280,
        800,
        False,
    ),
    # To be looked at; not in the documents.
    ("blocks", "#/blocks", "light", 1440, 760, False),
    ("phone-power", "#/power/Sahiwal%2FT2", "light", 390, 844, False),
    ("phone-rigs", "#/rigs", "dark", 390, 844, False),
    ("phone-whole", "#/overview", "light", 360, 844, True),
    ("nodes", "#/nodes", "light", 1440, 400, False),
    ("events", "#/events", "dark", 1440, 760, False),
)

IN_DOCUMENTS = ("light", "dark", "phone", "power", "rigs")


async def picture(browser: Browser, stage: Stage, folder: Path, which: tuple[object, ...]) -> None:
    """One of PICTURES."""
    name, address, theme, width, height, is_whole = which
    context = await browser.new_context(
        viewport={"width": int(str(width)), "height": int(str(height))},
        color_scheme="dark" if theme == "dark" else "light",
        timezone_id="Asia/Karachi",
        locale="en-GB",
        reduced_motion="reduce",
    )
    page: Page = await context.new_page()
    page.on("console", lambda message: print(name, message.text, file=sys.stderr))
    page.on("pageerror", lambda error: print(name, error, file=sys.stderr))
    await page.clock.install(time=NOW)
    await page.goto(stage.url + str(address))
    await page.get_by_text("live", exact=True).wait_for()
    await page.wait_for_load_state("load")
    await page.wait_for_timeout(1200)
    await page.screenshot(path=folder / f"page-{name}.png", full_page=bool(is_whole))
    await context.close()


def troubled_programme() -> Programme:
    """With what the pool would say of its power."""
    nodes = Programme().power().nodes
    return Programme(troubles=troubles(Signs(power_nodes=nodes, up_s=1e6)))


async def main(folder: Path, *names: str) -> None:
    """The documents' pictures, or those of these names."""
    found = find_chromium()
    if found is None:
        sys.exit("chromium: none found; scripts/get-chromium.sh fetches one")
    async with chromium(found) as browser:
        for which in PICTURES:
            if which[0] not in (names or IN_DOCUMENTS):
                continue
            async with on_stage(troubled_programme(), tick_s=60) as stage:
                await picture(browser, stage, folder, which)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES, *sys.argv[2:]))
