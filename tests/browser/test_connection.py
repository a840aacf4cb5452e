"""What the page says, and does, when the pool is away or wants to know who asks."""

import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenPage
from tests.browser.programme import Programme
from tests.browser.stage import READING, WRITING, Stage, on_stage

pytestmark = [pytest.mark.real, pytest.mark.slow]


async def test_it_comes_back_after_a_restart_and_misses_no_event(
    open_page: OpenPage, stage: Stage
) -> None:
    page = await open_page(f"{stage.url}#/events")
    connection = page.locator("#connection")
    await expect(connection).to_have_text("live")
    stage.tell("info", "before_the_restart")
    await expect(page.get_by_role("grid")).to_contain_text("before the restart")
    last = stage.feed.last_id
    await stage.stop()
    await expect(connection).to_contain_text("reconnecting")
    stage.tell("info", "during_the_restart")
    await stage.start()
    await expect(connection).to_have_text("live", timeout=20_000)
    await expect(page.get_by_role("grid")).to_contain_text("during the restart")
    assert stage.last_ids[-1] == str(last)


async def test_data_that_grows_old_says_so(open_page: OpenPage, programme: Programme) -> None:
    async with on_stage(programme, tick_s=3600) as stage:
        page = await open_page(stage.url)
        await expect(page.locator("#connection")).to_have_text("live")
        await expect(page.locator("#connection")).to_contain_text("data 9 s old", timeout=15_000)
        await expect(page.locator("body")).to_have_class("is-old")


async def test_from_elsewhere_it_asks_for_a_token_and_says_what_is_wrong_with_one(
    open_page: OpenPage, programme: Programme
) -> None:
    async with on_stage(programme, read_from=()) as stage:
        page = await open_page(stage.url)
        field = page.get_by_label("Token")
        await expect(field).to_be_focused()
        alert = page.get_by_role("alert")
        await expect(alert).to_contain_text("shows this to those who have a token")
        await field.fill("wrong")
        await page.keyboard.press("Enter")
        await expect(alert).to_contain_text("does not know this token")
        await page.get_by_label("Token").fill(WRITING)
        await page.keyboard.press("Enter")
        await expect(alert).to_contain_text("lacks the scope “read”")
        await page.get_by_label("Token").fill(READING)
        await page.keyboard.press("Enter")
        await expect(page.locator("#connection")).to_have_text("live")
        await page.reload()
        await expect(page.locator("#connection")).to_have_text("live")


async def test_a_name_that_is_not_the_pools_is_explained(open_page: OpenPage, stage: Stage) -> None:
    page = await open_page(stage.url.replace("127.0.0.1", "pool.example"))
    await expect(page.get_by_role("alert")).to_contain_text("list that in http.names")


async def test_a_view_whose_data_cannot_be_had_says_why(open_page: OpenPage, stage: Stage) -> None:
    page = await open_page(f"{stage.url}#/rigs/nobody.here")
    panel = page.get_by_role("complementary")
    # The stage sorts 100,000 rigs first.
    await expect(panel).to_contain_text("no rig of that name is known", timeout=20_000)
