"""The page's pure modules, in the browser that they are for."""

from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.conftest import OpenPage
from tests.browser.stage import Stage

pytestmark = [pytest.mark.real, pytest.mark.slow]

# Each with what the module's function gives for these arguments. NBSP and NNBSP are told as " ".
FORMAT: list[tuple[str, list[Any], Any]] = [
    ("quantity", [174_200, "W"], "174.2 kW"),
    ("quantity", [0, "W"], "0 W"),
    ("quantity", [-766_000, "W", 3], "−766 kW"),
    ("quantity", [2.1e9, "W"], "2100 MW"),
    ("quantity", [1.23456e21, "H/s"], "1235 EH/s"),
    ("quantity", [None, "W"], "–"),
    ("quantity", [3.1e-5, "W"], "0 W"),
    ("figure", [{"value": 174_200, "sigma": 3100}, "W"], "174.2 ± 3.1 kW"),
    ("figure", [{"value": 1.652e9, "sigma": 12e6}, "W"], "1652 ± 12 MW"),
    ("figure", [{"value": 220e12, "sigma": 0}, "H/s"], "220.0 TH/s"),
    ("figure", [{"value": 0, "sigma": 0}, "H/s"], "0 H/s"),
    ("figure", [{"value": 100, "sigma": 2e5}, "W"], "0 ± 200 kW"),
    ("figure", [{"value": 3e4, "sigma": 6e-3}, "W"], "30.00 kW"),
    ("figure", [{"value": 3.1e-5, "sigma": 6e-6}, "W"], "0 W"),
    ("figure", [{"value": 3.1e-5, "sigma": 2e-3}, "W"], "0.0000 ± 0.0020 W"),
    ("figure", [None, "W"], "–"),
    ("rangeWords", [9.61e5, 1.0341e6, "W"], "0.961 to 1.034 MW"),
    ("rangeWords", [1e-5, 9e-5, "W"], "0 to 0 W"),
    ("bitcoin", [312_500_000], "3.12500000 BTC"),
    ("bitcoin", [1], "0.00000001 BTC"),
    ("bitcoin", [-1311], "−0.00001311 BTC"),
    ("count", [1_234_567], "1 234 567"),
    ("percent", [0.00231], "0.23 %"),
    ("duration", [42], "42 s"),
    ("duration", [7500], "2 h 5 min"),
    ("duration", [273_600], "3 d 4 h"),
    ("moment", [1_795_870_920, 1_795_870_920], "18:02"),
    ("moment", [1_795_870_920 + 86_400, 1_795_870_920], "29 Nov 18:02"),
    ("utc", [1_795_870_920], "2026-11-28 13:02:00 UTC"),
]


def limit(**changes: Any) -> dict[str, Any]:
    of = {"limit_w": 1, "kind": "override", "source": "NTDC", "reason": "", "valid_until": None}
    return {**of, **changes}


def power(headroom_w: float | None, sigma_w: float, binding: Any) -> dict[str, Any]:
    return {
        "total_w": {"value": 1e6, "sigma": sigma_w},
        "headroom_w": headroom_w,
        "binding": binding,
    }


HEADROOM = [
    (
        power(12.3e6, 1e5, limit(valid_until=1_795_870_800)),
        "below",
        "12.3 MW below the limit, set by NTDC until 18:00",
    ),
    (
        power(-8e5, 1e5, limit(kind="physical", source="transformer")),
        "over",
        "800 kW over the limit, set by what the transformer can carry",
    ),
    (
        power(-1e5, 1e5, limit(kind="failsafe", reason="never heard")),
        "near",
        "100 kW over the limit, within the error, set by the failsafe of NTDC (never heard)",
    ),
    (power(None, 0, None), "none", "no limit is set"),
]


@pytest.fixture
async def page(open_page: OpenPage, stage: Stage) -> Page:
    opened = await open_page(stage.url)
    await expect(opened.locator("#connection")).to_have_text("live")
    return opened


async def called(page: Page, module: str, name: str, arguments: list[Any]) -> Any:
    script = "async ([m, n, a]) => (await import(`/page/${m}.js`))[n](...a)"
    return await page.evaluate(script, [module, name, arguments])


async def test_figures_and_times_are_told_as_people_read_them(page: Page) -> None:
    for name, arguments, told in FORMAT:
        given = await called(page, "format", name, arguments)
        assert given.replace("\u00a0", " ").replace("\u202f", " ") == told, (name, arguments)


async def test_headroom_is_told_in_words(page: Page) -> None:
    for given, state, text in HEADROOM:
        words = await called(page, "format", "headroomWords", [given, 1_795_870_920])
        assert words["state"] == state
        assert words["text"].replace("\u00a0", " ") == text


async def test_a_route_is_written_as_it_is_read(page: Page) -> None:
    for route in (
        {"view": "rigs", "rest": "a/b c?d#e%.ü", "query": {"q": "S21 & more", "sort": "-worker"}},
        {"view": "power", "rest": "China Hub/T1", "query": {}},
        {"view": "events", "rest": "", "query": {"level": "error"}},
    ):
        text = await called(page, "router", "routeHash", [route])
        assert await called(page, "router", "parseRoute", [text]) == route
    nowhere = {"view": "overview", "rest": "", "query": {}}
    for text in ("", "#", "#/", "#/nowhere", "#/%zz", "#/__proto__"):
        assert await called(page, "router", "parseRoute", [text]) == nowhere


async def test_a_stream_means_the_same_wherever_it_is_cut(page: Page) -> None:
    script = """
    async (text) => {
      const { EventParser } = await import("/page/stream.js");
      const read = (pieces) => {
        const parser = new EventParser();
        const events = pieces.flatMap((piece) => parser.feed(piece));
        return JSON.stringify([events, parser.lastId, parser.retryMs]);
      };
      const whole = read([text]);
      for (let i = 0; i <= text.length; i++) {
        const cut = read([text.slice(0, i), text.slice(i)]);
        if (cut !== whole) return `${i}: ${cut}`;
      }
      if (read([...text]) !== whole) return "letter by letter";
      return JSON.parse(whole);
    }
    """
    text = (
        ": a comment\nretry: 250\n\nid: 7\nevent: status\ndata: {\ndata:  x}\n\r\n"
        "data: one\r\rid: 8\r\nevent: none\r\n\r\ndata\n\nunfinished: y\ndata: z\n"
    )
    assert await page.evaluate(script, text) == [
        [
            {"type": "status", "data": "{\n x}", "id": "7"},
            {"type": "message", "data": "one", "id": "7"},
            {"type": "message", "data": "", "id": "8"},
        ],
        "8",
        250,
    ]


async def test_a_tree_shows_what_is_open(page: Page) -> None:
    script = """
    async () => {
      const { TreeRows } = await import("/page/tree.js");
      const paths = ["/", "a", "a/1", "a/1/x", "a/2", "b", "b/1"];
      const depth = (path) => path === "/" ? 0 : path.split("/").length;
      const rows = new TreeRows();
      rows.setNodes(paths.map((path) => ({ path, depth: depth(path) })));
      const shown = () => rows.rows.map((_, row) => rows.pathAt(row)).join(" ");
      const told = [shown()];
      rows.setOpen(4, false);
      told.push(shown());
      told.push(rows.reveal("b/1"), shown());
      told.push(rows.parentRow(5), rows.setOpen(3, true), rows.reveal("nowhere"));
      rows.setAllOpen(true);
      told.push(shown());
      return told;
    }
    """
    assert await page.evaluate(script) == [
        "/ a a/1 a/2 b b/1",
        "/ a a/1 a/2 b",
        5,
        "/ a a/1 a/2 b b/1",
        4,
        False,
        -1,
        "/ a a/1 a/1/x a/2 b b/1",
    ]
