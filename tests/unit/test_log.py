"""One log for all, that no miner can forge and no password gets into."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from poolserver.config import Secret
from poolserver.log import (
    MOST_FIELDS,
    MOST_TEXT,
    Alarm,
    EventFeed,
    RateLimited,
    configure_logging,
)

# --- configure_logging -------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def logged_json(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_is_an_object_a_line_in_utc() -> None:
    stream = io.StringIO()
    configure_logging("info", "json", stream)
    structlog.get_logger("poolserver.node").warning("node_lost", height=7)
    (event,) = logged_json(stream)
    assert event.pop("timestamp").endswith("Z")
    assert event == {
        "event": "node_lost",
        "height": 7,
        "level": "warning",
        "logger": "poolserver.node",
    }


def test_records_of_the_standard_library_take_the_same_way() -> None:
    stream = io.StringIO()
    configure_logging("info", "json", stream)
    logging.getLogger("asyncio").error("slow by %d ms", 5)
    (event,) = logged_json(stream)
    assert event["event"] == "slow by 5 ms"
    assert (event["level"], event["logger"]) == ("error", "asyncio")
    assert event["timestamp"].endswith("Z")


@pytest.mark.parametrize("format", ["console", "json"])
def test_what_is_below_the_level_is_left_out(format: Any) -> None:
    stream = io.StringIO()
    configure_logging("warning", format, stream)
    structlog.get_logger("a").info("not this")
    logging.getLogger("b").info("nor this")
    assert stream.getvalue() == ""


@pytest.mark.parametrize("format", ["console", "json"])
def test_text_of_a_miner_cannot_forge_a_line(format: Any) -> None:
    stream = io.StringIO()
    configure_logging("info", format, stream)
    forged = "cgminer\n2026-01-03 [error] all is lost\x1b[2J\u2028"
    structlog.get_logger("a").info("subscribed", user_agent=forged)
    logging.getLogger("b").info("subscribed %s", forged)
    written = stream.getvalue()
    assert written.count("\n") == 2
    assert "\x1b" not in written
    assert "\u2028" not in written


@pytest.mark.parametrize("format", ["console", "json"])
def test_neither_a_secret_nor_a_local_variable_is_logged(format: Any) -> None:
    stream = io.StringIO()
    configure_logging("info", format, stream)
    password = "".join(["hunter", "2"])  # the source line of a traceback is no leak
    log = structlog.get_logger("a")
    log.info("connecting", password=Secret(password))
    try:
        raise RuntimeError("refused")
    except RuntimeError:
        log.exception("failed")
    assert "refused" in stream.getvalue()
    assert "Traceback" in stream.getvalue()
    assert password not in stream.getvalue()


def test_console_colours_are_for_terminals_only() -> None:
    stream = io.StringIO()
    configure_logging("info", "console", stream)
    structlog.get_logger("a").error("oh")
    assert "\x1b" not in stream.getvalue()


def test_configured_again_the_last_call_counts() -> None:
    first, second = io.StringIO(), io.StringIO()
    configure_logging("info", "json", first)
    log = structlog.get_logger("a")
    log.info("one")
    configure_logging("info", "json", second)
    log.info("two")
    assert [event["event"] for event in logged_json(first)] == ["one"]
    assert [event["event"] for event in logged_json(second)] == ["two"]


def test_each_http_request_is_not_worth_a_line() -> None:
    stream = io.StringIO()
    configure_logging("info", "json", stream)
    logging.getLogger("aiohttp.access").info("GET /metrics 200")
    assert stream.getvalue() == ""


# --- RateLimited -------------------------------------------------------------------------------


class FakeLog:
    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def error(self, event: str, **fields: Any) -> None:
        self.lines.append(("error", event, fields))

    def warning(self, event: str, **fields: Any) -> None:
        self.lines.append(("warning", event, fields))

    def info(self, event: str, **fields: Any) -> None:
        self.lines.append(("info", event, fields))


def test_the_first_failure_is_logged_at_once() -> None:
    log = FakeLog()
    RateLimited(log).failed("node_lost", "refused", now=0.0, url="u")
    assert log.lines == [("warning", "node_lost", {"reason": "refused", "url": "u"})]


def test_a_failure_that_goes_on_is_logged_once_an_interval_with_the_count_left_out() -> None:
    log = FakeLog()
    limited = RateLimited(log, interval_s=60)
    for second in range(121):
        limited.failed("node_lost", "refused", now=float(second))
    assert [fields for _, _, fields in log.lines] == [
        {"reason": "refused"},
        {"reason": "refused", "left_out": 59},
        {"reason": "refused", "left_out": 59},
    ]


def test_another_reason_is_logged_at_once() -> None:
    log = FakeLog()
    limited = RateLimited(log, interval_s=60)
    for now, reason in enumerate(["refused", "timeout", "refused", "timeout"]):
        limited.failed("node_lost", reason, now=float(now))
    assert [fields["reason"] for _, _, fields in log.lines] == ["refused", "timeout"]


def test_ever_new_reasons_are_counted_together() -> None:
    log = FakeLog()
    limited = RateLimited(log, interval_s=60)
    for number in range(1000):
        limited.failed("node_lost", f"reason {number}", now=0.0)
    assert len(log.lines) == RateLimited.MAX_REASONS + 1
    assert log.lines[-1][2]["reason"] == RateLimited.OTHER_REASONS


def test_restored_says_how_often_and_how_long_it_failed() -> None:
    log = FakeLog()
    limited = RateLimited(log)
    limited.failed("node_lost", "refused", now=10.0)
    limited.failed("node_lost", "refused", now=11.0)
    limited.restored("node_restored", now=12.5, url="u")
    assert log.lines[-1] == ("info", "node_restored", {"failures": 2, "lasted_s": 2.5, "url": "u"})


def test_nothing_is_said_of_what_never_failed() -> None:
    log = FakeLog()
    limited = RateLimited(log)
    limited.restored("node_restored", now=1.0)
    limited.failed("node_lost", "refused", now=2.0)
    limited.restored("node_restored", now=3.0)
    limited.restored("node_restored", now=4.0)
    assert len(log.lines) == 2


def test_a_failure_after_restoration_is_new() -> None:
    log = FakeLog()
    limited = RateLimited(log)
    limited.failed("node_lost", "refused", now=0.0)
    limited.restored("node_restored", now=1.0)
    limited.failed("node_lost", "refused", now=2.0)
    assert [line[:2] for line in log.lines] == [
        ("warning", "node_lost"),
        ("info", "node_restored"),
        ("warning", "node_lost"),
    ]


# --- Alarm ---------------------------------------------------------------------------------------


def test_an_alarm_is_an_error_once_its_state_has_lasted() -> None:
    log = FakeLog()
    alarm = Alarm("nodes_lost", "nodes_restored", log, after_s=2.0)
    for now in (10.0, 11.9, 12.0, 13.0):
        alarm.update(True, now, nodes=1)
    assert log.lines == [("error", "nodes_lost", {"nodes": 1})]
    assert alarm.is_raised


def test_the_end_of_an_alarm_is_told_with_how_long_it_lasted() -> None:
    log = FakeLog()
    alarm = Alarm("nodes_lost", "nodes_restored", log)
    alarm.update(True, 10.0)
    alarm.update(False, 12.5, node="x")
    alarm.update(False, 13.0)
    assert log.lines[1:] == [("info", "nodes_restored", {"lasted_s": 2.5, "node": "x"})]
    assert not alarm.is_raised


def test_a_state_that_did_not_last_is_not_spoken_of() -> None:
    log = FakeLog()
    alarm = Alarm("nodes_lost", "nodes_restored", log, after_s=2.0)
    for now, holds in enumerate([True, False, True, False]):
        alarm.update(holds, float(now))
    assert log.lines == []


# --- EventFeed ---------------------------------------------------------------------------------


def test_the_feed_has_what_the_log_leaves_out_from_info_up() -> None:
    stream, feed = io.StringIO(), EventFeed()
    configure_logging("warning", "json", stream)
    log = structlog.get_logger("poolserver.node")
    log.info("too_early")
    with feed.listening():
        log.debug("too_low")
        log.info("node_restored", node="a", height=7, ok=True, ratio=0.5, nothing=None)
        logging.getLogger("asyncio").error("slow by %d ms", 5)
    log.error("too_late")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == [
        "slow by 5 ms",
        "too_late",
    ]
    restored, slow = feed.after(0)
    assert (restored.level, restored.event) == ("info", "node_restored")
    assert restored.fields == {
        "node": "a",
        "height": 7,
        "ok": True,
        "ratio": 0.5,
        "nothing": None,
    }
    assert (slow.level, slow.event, slow.fields) == ("error", "slow by 5 ms", {})


def test_ids_grow_by_one_and_over_restarts_and_javascript_can_hold_them() -> None:
    feed = EventFeed(lambda: 1_800_000_000.0, most=3)
    for number in range(5):
        feed.take("info", f"e{number}", {})
    ids = [each.id for each in feed.after(0)]
    assert ids == [ids[0], ids[0] + 1, ids[0] + 2]
    assert [each.event for each in feed.after(ids[1])] == ["e4"]
    assert feed.after(feed.last_id) == []
    assert ids[-1] < EventFeed(lambda: 1_800_000_000.001).last_id < 2**53


def test_a_feed_is_bounded_whatever_is_logged() -> None:
    feed = EventFeed()
    fields: dict[str, Any] = {f"f{number}": number for number in range(100)}
    fields |= {"f0": "x" * 10_000, "f1": ["a", "b"], "f2": 2**70, "f3": "a\nb", "f4": Secret("s3")}
    feed.take("info", "e", fields)
    (event,) = feed.after(0)
    assert len(event.fields) == MOST_FIELDS
    assert len(str(event.fields["f0"])) == MOST_TEXT
    assert event.fields["f1"] == "a, b"
    assert event.fields["f2"] == str(2**70)
    assert event.fields["f3"] == "a\\nb"
    assert "s3" not in str(event.fields["f4"])


def test_a_traceback_is_an_error_and_no_dump() -> None:
    feed = EventFeed()
    configure_logging("error", "json", io.StringIO())
    with feed.listening():
        try:
            raise ValueError("no good")
        except ValueError:
            structlog.get_logger("a").exception("failed")
    (event,) = feed.after(0)
    assert event.fields == {"exc_info": "ValueError('no good')"}


def test_events_of_an_earlier_process_come_before_ours() -> None:
    before, feed = EventFeed(lambda: 1.0), EventFeed(lambda: 2.0)
    before.take("info", "old", {})
    feed.take("info", "new", {})
    feed.restore(before.after(0))
    assert [each.event for each in feed.after(0)] == ["old", "new"]


def test_lines_of_another_process_get_ids_of_this_one() -> None:
    worker, feed = EventFeed(lambda: 5.0), EventFeed(lambda: 2.0)
    feed.take("info", "mine", {})
    worker.take("warning", "its", {"process": 1})
    feed.relay(worker.after(0))
    mine, its = feed.after(0)
    assert (its.id, its.at, its.fields) == (mine.id + 1, 5.0, {"process": 1})
