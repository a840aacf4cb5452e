"""Pages of events."""

from typing import Any

import pytest

from poolserver.api.overview import EventsQuery, page_of_events
from poolserver.log import EventFeed

FEED = EventFeed(lambda: 1.0)
FIRST = FEED.last_id + 1
for number in range(10):
    FEED.take(("info", "warning", "error")[number % 3], f"e{number}", {})


@pytest.mark.parametrize(
    ("query", "events", "more"),
    [
        ({}, range(10), False),
        ({"limit": 3}, [7, 8, 9], False),  # the newest
        ({"after": FIRST + 5}, [6, 7, 8, 9], False),
        ({"after": FIRST + 5, "limit": 2}, [6, 7], True),  # the next ones
        ({"after": FIRST + 9}, [], False),
        ({"after": 0, "limit": 2}, [0, 1], True),
        ({"level": "warning"}, [1, 2, 4, 5, 7, 8], False),
        ({"level": "error", "after": FIRST, "limit": 1}, [2], True),
    ],
)
def test_a_page_is_the_newest_or_what_follows(query: Any, events: Any, more: bool) -> None:
    page = page_of_events(FEED, EventsQuery(**query))
    assert [each.event for each in page.items] == [f"e{number}" for number in events]
    assert page.next == (str(page.items[-1].id) if more else None)
