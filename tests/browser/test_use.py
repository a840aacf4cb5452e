"""Who the page is for: keyboards, screen readers, phones, dim rooms, sites of 100,000 rigs."""

import re

import pytest
from playwright.async_api import Page, expect

from poolserver.lookout.view import Trouble
from tests.browser.conftest import OpenPage
from tests.browser.programme import Programme
from tests.browser.stage import Stage

pytestmark = [pytest.mark.real, pytest.mark.slow]

VIEWS = ("overview", "power", "rigs", "blocks", "nodes", "events")
TROUBLES = (
    Trouble("over_budget", "Sahiwal/T2 draws more than the transformer can carry.", True),
    Trouble("meter_stale", "The meter chinahub-t3 is not heard.", False),
)

# The contrast of WCAG 2.2, 1.4.3, of each text that is seen against what is behind it.
CONTRAST = """
() => {
  const parts = (color) => (color.match(/[\\d.]+/g) ?? []).map(Number);
  const light = (rgb) => rgb.slice(0, 3).map((c) => c / 255)
    .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const color = parts(getComputedStyle(each).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const bad = [];
  let seen = 0;
  for (const element of document.querySelectorAll("body *")) {
    const hasText = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!hasText || !element.checkVisibility() || element.closest(".hidden, .skip")) continue;
    seen++;
    const [one, other] = [light(parts(getComputedStyle(element).color)), light(behind(element))];
    const ratio = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (ratio < 4.5) bad.push(`${element.className} ${element.textContent.trim()}: ${ratio}`);
  }
  return { bad, seen };
}
"""

# What can be used, and each region, has a name.
NAMELESS = """
() => [...document.querySelectorAll("a, button, input, select, summary, [role]")]
  .filter((element) => element.checkVisibility())
  .filter((element) => !/^(status|alert|row|rowgroup|gridcell|columnheader)$/.test(element.role))
  .filter((element) => !(element.ariaLabel || element.textContent.trim() || element.labels?.length
    || element.getAttribute("aria-labelledby")))
  .map((element) => element.outerHTML.slice(0, 120))
"""


async def ready(page: Page) -> None:
    await expect(page.locator("#connection")).to_have_text("live")


async def test_a_hundred_thousand_rigs_scroll_without_a_stall(
    open_page: OpenPage, stage: Stage
) -> None:
    page = await open_page(f"{stage.url}#/rigs")
    await ready(page)
    grid = page.get_by_role("grid", name="Rigs")
    await expect(grid).to_have_attribute("aria-rowcount", "100001")
    await page.evaluate("window.longTasks.length = 0")
    await grid.hover()
    for _ in range(60):
        await page.mouse.wheel(0, 2000)
    await expect(grid.locator(".loading:visible")).to_have_count(0)
    await grid.focus()
    await page.keyboard.press("End")
    last = grid.locator("[aria-rowindex='100001']")
    await expect(last).to_be_visible()
    await expect(last).not_to_have_class(re.compile("loading"), timeout=60_000)
    assert await grid.get_by_role("row").count() < 100
    assert max(await page.evaluate("window.longTasks"), default=0.0) < 200


async def test_a_tree_of_ten_thousand_nodes_opens_and_scrolls_without_a_stall(
    open_page: OpenPage, stage: Stage
) -> None:
    page = await open_page(f"{stage.url}#/power")
    await ready(page)
    tree = page.get_by_role("treegrid")
    await expect(tree.get_by_role("row").filter(has_text="Sahiwal")).to_be_visible()
    await page.evaluate("window.longTasks.length = 0")
    await page.get_by_role("button", name="Open all").click()
    await expect(tree).to_have_attribute("aria-rowcount", "9857")
    await tree.hover()
    for _ in range(40):
        await page.mouse.wheel(0, 3000)
    assert max(await page.evaluate("window.longTasks"), default=0.0) < 200


async def test_everything_is_reached_by_the_keyboard(open_page: OpenPage, stage: Stage) -> None:
    page = await open_page(f"{stage.url}#/power")
    await ready(page)
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("main")).to_be_focused()
    tree = page.get_by_role("treegrid")
    for _ in range(3):
        await page.keyboard.press("Tab")
    await expect(tree).to_be_focused()
    active = tree.locator(".active")
    await page.keyboard.press("ArrowDown")
    await expect(active).to_contain_text("Sahiwal")
    await page.keyboard.press("ArrowLeft")
    await expect(active).to_have_attribute("aria-expanded", "false")
    await page.keyboard.press("ArrowRight")
    await expect(active).to_have_attribute("aria-expanded", "true")
    await page.keyboard.press("ArrowRight")
    await expect(active).to_contain_text("T1")
    assert await tree.get_attribute("aria-activedescendant") == await active.get_attribute("id")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("complementary", name="Sahiwal/T1")).to_be_visible()
    await page.keyboard.press("ArrowLeft")
    await page.keyboard.press("ArrowLeft")
    await expect(active).to_have_attribute("aria-expanded", "false")


async def test_a_rig_is_opened_and_closed_by_the_keyboard(
    open_page: OpenPage, stage: Stage
) -> None:
    page = await open_page(f"{stage.url}#/rigs")
    await ready(page)
    grid = page.get_by_role("grid")
    await expect(grid).to_have_attribute("aria-rowcount", "100001")
    await grid.focus()
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")
    heading = page.get_by_role("complementary").get_by_role("heading")
    await expect(heading).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("complementary")).to_have_count(0)
    await expect(grid).to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_text_stands_out_from_what_is_behind_it(
    open_page: OpenPage, stage: Stage, programme: Programme, scheme: str
) -> None:
    programme.troubles = TROUBLES
    page = await open_page(stage.url, color_scheme=scheme, viewport={"width": 1440, "height": 900})
    for view in VIEWS:
        await page.goto(f"{stage.url}#/{view}")
        await ready(page)
        await expect(page.get_by_role("main").get_by_role("heading").first).to_be_attached()
        found = await page.evaluate(CONTRAST)
        assert found["bad"] == [], view
        assert found["seen"] > 20


async def test_all_that_can_be_used_has_a_name(
    open_page: OpenPage, stage: Stage, programme: Programme
) -> None:
    programme.troubles = TROUBLES
    page = await open_page(stage.url)
    for view in VIEWS:
        await page.goto(f"{stage.url}#/{view}")
        await ready(page)
        assert await page.evaluate(NAMELESS) == [], view
        for landmark in ("banner", "navigation", "main", "contentinfo"):
            await expect(page.get_by_role(landmark)).to_have_count(1)
        await expect(page.get_by_role("heading", level=1)).to_have_count(1)


@pytest.mark.parametrize("width", [360, 768])
async def test_no_view_is_wider_than_a_phone(
    open_page: OpenPage, stage: Stage, programme: Programme, width: int
) -> None:
    programme.troubles = TROUBLES
    page = await open_page(
        stage.url, viewport={"width": width, "height": 740}, has_touch=True, is_mobile=True
    )
    for view in (*VIEWS, "power/Sahiwal%2FT2", f"rigs/{programme.rigs[0].worker}"):
        await page.goto(f"{stage.url}#/{view}")
        await ready(page)
        await expect(page.get_by_role("main").get_by_role("heading").first).to_be_attached()
        # A layout that is too wide widens the page of a phone.
        assert await page.evaluate("document.documentElement.scrollWidth") <= width, view
        assert await page.evaluate("innerWidth") == width, view


async def test_all_of_a_silent_rig_is_in_sight_on_a_phone(
    open_page: OpenPage, stage: Stage, programme: Programme
) -> None:
    silent = next(rig for rig in programme.rigs if rig.state == "silent")
    page = await open_page(
        f"{stage.url}#/rigs/{silent.worker}", viewport={"width": 360, "height": 740}
    )
    panel = page.get_by_role("complementary", name=silent.worker)
    await expect(panel).to_contain_text("Last share")
    assert await panel.evaluate("(e) => e.scrollWidth <= e.clientWidth")


@pytest.mark.parametrize("width", [360, 640, 800, 960, 1024, 1280, 1366, 1440])
async def test_no_column_of_a_list_is_out_of_sight(
    open_page: OpenPage, stage: Stage, width: int
) -> None:
    page = await open_page(stage.url, viewport={"width": width, "height": 740})
    for view in ("power", "rigs", "events"):
        await page.goto(f"{stage.url}#/{view}")
        await ready(page)
        grid = page.locator(".grid")
        await expect(grid.get_by_role("row").nth(1)).to_be_visible()
        assert await grid.evaluate("(grid) => grid.scrollWidth <= grid.clientWidth"), view


async def test_of_silent_rigs_a_phone_tells_since_when(open_page: OpenPage, stage: Stage) -> None:
    page = await open_page(stage.url, viewport={"width": 360, "height": 740})
    last = page.get_by_role("columnheader", name="Last share")
    for view, is_told in (("rigs", False), ("rigs?state=silent", True), ("rigs", False)):
        await page.goto(f"{stage.url}#/{view}")
        await expect(last).to_be_visible(visible=is_told)


async def test_nothing_moves_for_those_who_do_not_want_it(
    open_page: OpenPage, stage: Stage
) -> None:
    page = await open_page(stage.url, reduced_motion="reduce")
    await ready(page)
    assert await page.evaluate("document.getAnimations().length") == 0


async def test_times_are_the_viewers_with_utc_in_their_title(
    open_page: OpenPage, stage: Stage
) -> None:
    page = await open_page(f"{stage.url}#/blocks")
    first = page.get_by_role("table").locator("time").first
    await expect(first).to_have_attribute("title", "2026-11-28 10:02:00 UTC")
    await expect(first).to_have_text(re.compile(r"15:02"))
