"""What is seen first, each view, and what no page of ours may do."""

import re

import pytest
from playwright.async_api import expect

from poolserver.lookout.view import RigLine, Trouble
from tests.browser.conftest import OpenPage
from tests.browser.ground import made_up_rig
from tests.browser.programme import Programme
from tests.browser.stage import Stage

pytestmark = [pytest.mark.real, pytest.mark.slow]

HOSTILE = '<img src=x onerror="window.wasRun=1">'


async def test_the_first_thing_seen_is_power_against_its_budget(
    open_page: OpenPage, stage: Stage
) -> None:
    page = await open_page(stage.url)
    card = page.get_by_role("region", name="Power against the budget")
    await expect(card).to_be_in_viewport()
    meters = card.get_by_role("meter")
    await expect(meters).to_have_count(4)
    await expect(meters.nth(1)).to_have_attribute("aria-label", "Power of Sahiwal")
    await expect(card).to_contain_text("below the limit, set by NTDC (evening peak) until 29 Nov")
    first = page.locator("main section, main .tile").first
    await expect(first).to_have_class("card power-card")


async def test_each_view_shows_what_it_is_for(open_page: OpenPage, stage: Stage) -> None:
    page = await open_page(stage.url)
    views = page.get_by_role("navigation", name="Views")
    for name, told in (
        ("Power", "transformer"),
        ("Rigs", "100\u202f000 rigs"),
        ("Blocks", "926\u202f391"),
        ("Nodes", "knots-1"),
        ("Events", "new tip"),
        ("Overview", "What binds, and why"),
    ):
        link = views.get_by_role("link", name=name)
        await link.click()
        await expect(link).to_have_attribute("aria-current", "page")
        await expect(page.get_by_role("main")).to_contain_text(told)
        await expect(page).to_have_title(f"{name} · poolserver")


async def test_figures_go_on_by_the_stream(
    open_page: OpenPage, stage: Stage, programme: Programme
) -> None:
    page = await open_page(stage.url)
    await expect(page.locator("#connection")).to_have_text("live")
    accepted = page.locator(".tile", has_text="Best share").locator(".tile-below")
    before = await accepted.text_content()
    await expect(accepted).not_to_have_text(before or "")
    stage.tell("warning", "rigs_silent", rigs=12)
    events = page.get_by_role("region", name="Last events")
    await expect(events.get_by_role("listitem").first).to_contain_text("rigs: 12")


async def test_troubles_stand_on_top_and_lead_to_their_runbook(
    open_page: OpenPage, stage: Stage, programme: Programme
) -> None:
    page = await open_page(stage.url)
    await expect(page.locator("#connection")).to_have_text("live")
    await expect(page.get_by_role("link", name="Runbook")).to_have_count(0)
    programme.troubles = (Trouble("node_lost", "The node core-2 does not answer.", True),)
    link = page.get_by_role("link", name="Runbook for node lost")
    await expect(link).to_be_visible()
    assert "node_lost" in (await link.get_attribute("href") or "")
    said = page.locator("[aria-live]")
    await expect(said).to_have_text("The node core-2 does not answer.")
    programme.troubles = ()
    await expect(said).to_have_text("node lost is over")
    await expect(link).to_have_count(0)


async def test_many_troubles_leave_the_view_in_sight_and_figures_in_them_keep_the_focus(
    open_page: OpenPage, stage: Stage, programme: Programme
) -> None:
    page = await open_page(stage.url)
    programme.troubles = tuple(
        Trouble("over_budget", f"T{n} is 1 kW over.", True) for n in range(9)
    )
    links = page.get_by_role("link", name="Runbook for over budget")
    await expect(links).to_have_count(3)
    await expect(page.get_by_text("6 more, 6 of them urgent")).to_be_visible()
    await links.nth(1).focus()
    programme.troubles = tuple(
        Trouble("over_budget", f"T{n} is 2 kW over.", True) for n in range(9)
    )
    await expect(page.get_by_text("T1 is 2 kW over.")).to_be_visible()
    await expect(links.nth(1)).to_be_focused()
    await page.get_by_text("6 more").click()
    await expect(links).to_have_count(9)


async def test_names_of_rigs_and_events_are_text_and_nothing_else(
    open_page: OpenPage, stage: Stage, programme: Programme
) -> None:
    fields = {name: getattr(made_up_rig(1), name) for name in RigLine.__struct_fields__}
    hostile = {"worker": f"{HOSTILE}/../x?y#z", "model": HOSTILE, "address": HOSTILE}
    programme.rigs[0] = RigLine(**{**fields, **hostile})
    programme.troubles = (Trouble(HOSTILE, HOSTILE, False),)
    stage.tell("error", HOSTILE, **{HOSTILE: HOSTILE})
    page = await open_page(f"{stage.url}#/rigs?sort=worker")
    row = page.get_by_role("row").filter(has_text=HOSTILE)
    await row.click()
    panel = page.get_by_role("complementary")
    await expect(panel.get_by_role("heading")).to_have_text(f"{HOSTILE}/../x?y#z")
    await expect(panel).to_contain_text("Best share")
    await expect(panel).to_contain_text("Last share")
    await expect(panel).to_contain_text(" s ago")
    await page.goto(f"{stage.url}#/events")
    await expect(page.get_by_role("row").filter(has_text=HOSTILE)).to_be_visible()
    assert await page.locator("img").count() == 0
    assert await page.evaluate("window.wasRun") is None


async def test_rigs_are_searched_filtered_and_sorted(open_page: OpenPage, stage: Stage) -> None:
    page = await open_page(f"{stage.url}#/rigs")
    grid = page.get_by_role("grid", name="Rigs")
    await page.get_by_label("Search rigs").fill("t1c01r01-000003")
    await expect(page.get_by_text("1 rig", exact=True)).to_be_visible()
    assert "q=t1c01r01-000003" in page.url
    await page.get_by_label("Search rigs").fill("")
    await expect(page.get_by_text("100\u202f000 rigs")).to_be_visible()
    await page.get_by_label("State").select_option("silent")
    await page.get_by_label("Search rigs").fill("sahiwal.t1")
    await expect(page.get_by_text("35 rigs", exact=True)).to_be_visible()
    await expect(grid).to_have_attribute("aria-rowcount", "36")
    await page.get_by_role("button", name="Rig", exact=True).click()
    header = grid.get_by_role("columnheader", name="Rig", exact=True)
    await expect(header).to_have_attribute("aria-sort", "ascending")
    await page.reload()
    await expect(grid).to_have_attribute("aria-rowcount", "36")
    await expect(header).to_have_attribute("aria-sort", "ascending")


async def test_the_tree_opens_and_tells_what_holds_a_node(
    open_page: OpenPage, stage: Stage
) -> None:
    page = await open_page(f"{stage.url}#/power/Sahiwal%2FT2")
    tree = page.get_by_role("treegrid", name="Power tree")
    row = tree.get_by_role("row", selected=True)
    await expect(row).to_contain_text("T2")
    panel = page.get_by_role("complementary", name="Sahiwal/T2")
    await expect(panel).to_contain_text("over the limit, set by what the transformer can carry")
    await expect(panel.get_by_role("table", name="Limits")).to_contain_text("binds")
    await row.locator(".twisty").click()
    await expect(row).to_have_attribute("aria-expanded", "true")
    await expect(tree.get_by_role("row").filter(has_text="C01")).to_be_visible()
    await expect(tree.get_by_role("row", name="T4")).to_have_count(0)


async def test_blocks_are_shown_with_their_states(open_page: OpenPage, stage: Stage) -> None:
    page = await open_page(f"{stage.url}#/blocks")
    table = page.get_by_role("table", name="Found blocks")
    await expect(table.get_by_role("row")).to_have_count(38)
    await expect(table.get_by_text("orphaned")).to_have_count(1)
    await expect(table).to_contain_text("3.12500000\u00a0BTC")


async def test_charts_say_in_words_what_they_show(open_page: OpenPage, stage: Stage) -> None:
    page = await open_page(f"{stage.url}#/overview?span=1d")
    chart = page.get_by_role("region", name="Power and its limit")
    plot = chart.get_by_role("img")
    await expect(plot).to_have_accessible_name(_containing("Power: between 37"))
    readout = chart.locator(".readout")
    newest = await readout.text_content()
    await plot.focus()
    await page.keyboard.press("ArrowLeft")
    await page.keyboard.press("ArrowLeft")
    await expect(readout).not_to_have_text(newest or "")
    await chart.get_by_text("As a table").click()
    await expect(chart.get_by_role("row").nth(40)).to_be_attached()
    await page.get_by_role("button", name="7 d").click()
    await expect(page.get_by_role("button", name="7 d")).to_have_attribute("aria-pressed", "true")
    assert "span=7d" in page.url


def _containing(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text))


async def test_the_theme_is_the_systems_until_it_is_switched(
    open_page: OpenPage, stage: Stage
) -> None:
    page = await open_page(stage.url, color_scheme="dark")
    root = page.locator("html")
    await expect(root).to_have_attribute("data-theme", "dark")
    await page.get_by_role("button", name="Switch to light").click()
    await expect(root).to_have_attribute("data-theme", "light")
    await page.reload()
    await expect(root).to_have_attribute("data-theme", "light")
