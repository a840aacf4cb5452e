"""Who changed what is on the disk before it is done."""

import asyncio
import json
import stat
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from poolserver.api.audit_file import NAME, AuditFile, AuditLine
from poolserver.api.audit_log import AuditLog
from poolserver.api.endpoint import Call, Endpoint, NoQuery
from poolserver.api.problem import ApiError
from poolserver.api.tokens import Token

TOKEN = Token("dispatcher", "", frozenset({"budget"}), ("/",))
NOW_S = 1_800_000_000.0


async def handler(call: Call) -> None:
    pass


PUT = Endpoint("PUT", "/x", "", handler)


def call(body: bytes = b'{"limit_mw": 3}') -> Call:
    return Call({}, NoQuery(), body, TOKEN, "127.0.0.1")


def ticking(now_s: float = NOW_S) -> Callable[[], float]:
    moments = iter(range(10**6))
    return lambda: now_s + next(moments)


@pytest.fixture
def audit(tmp_path: Path) -> AuditLog:
    return AuditLog(AuditFile(tmp_path), ticking())


def lines_in(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / NAME).read_text().splitlines()]


async def test_what_is_asked_for_is_written_before_it_is_done_and_its_end_after(
    audit: AuditLog, tmp_path: Path
) -> None:
    number = await audit.intend(PUT, call(), "/api/v1/x?y=1")
    (line,) = lines_in(tmp_path)
    assert line["at"].startswith("2027-01-15T08:00:")
    assert line["at"].endswith("Z")
    assert (line["token"], line["remote"], line["method"]) == ("dispatcher", "127.0.0.1", "PUT")
    assert (line["path"], line["body"]) == ("/api/v1/x?y=1", '{"limit_mw": 3}')
    (begun,) = await audit.page(10, None)
    assert (begun.number, begun.outcome, begun.ended_at) == (number, None, None)
    await audit.ended(number, "done")
    assert lines_in(tmp_path)[1]["of"] == number
    (ended,) = await audit.page(10, None)
    assert ended.outcome == "done"
    assert ended.ended_at is not None
    assert ended.ended_at > ended.at
    assert stat.S_IMODE((tmp_path / NAME).stat().st_mode) == 0o600


async def test_what_is_refused_is_one_line(audit: AuditLog) -> None:
    await audit.refused(PUT, call(b""), "/x", "not_for_this")
    (line,) = await audit.page(10, None)
    assert (line.outcome, line.body) == ("not_for_this", "")


@pytest.mark.parametrize("body", [b"\xff", b"x" * 5000])
async def test_of_a_body_that_is_no_short_text_the_hash_is_kept(
    audit: AuditLog, body: bytes
) -> None:
    await audit.intend(PUT, call(body), "/x")
    (line,) = await audit.page(10, None)
    assert (line.body, line.body_sha256) == (None, sha256(body).hexdigest())


async def test_what_cannot_be_written_down_must_not_be_done(tmp_path: Path) -> None:
    audit = AuditLog(AuditFile(tmp_path / "nowhere"), ticking())
    with pytest.raises(ApiError) as told:
        await audit.intend(PUT, call(), "/x")
    assert told.value.code == "not_recorded"
    await audit.ended(1, "done")  # it was done: that it is not written is in the log
    await audit.refused(PUT, call(), "/x", "refused")


async def test_calls_that_come_together_are_written_together(tmp_path: Path) -> None:
    class Counting(AuditFile):
        appended = 0

        def append(self, lines: bytes) -> None:
            Counting.appended += 1
            super().append(lines)

    audit = AuditLog(Counting(tmp_path), ticking())
    numbers = await asyncio.gather(*(audit.intend(PUT, call(), "/x") for _ in range(100)))
    assert len(set(numbers)) == len(await audit.page(1000, None)) == 100
    assert Counting.appended <= 2


async def test_numbers_grow_even_where_the_clock_goes_back(tmp_path: Path) -> None:
    moments = [5.0, 5.0, 3.0, 3.0]
    audit = AuditLog(AuditFile(tmp_path), lambda: moments.pop(0))
    first = await audit.intend(PUT, call(), "/x")
    assert await audit.intend(PUT, call(), "/x") > first


async def test_a_torn_line_costs_no_other(audit: AuditLog, tmp_path: Path) -> None:
    first = await audit.intend(PUT, call(), "/x")
    with (tmp_path / NAME).open("ab") as file:
        file.write(b'{"number":1,"at":"2027-')
    second = await audit.intend(PUT, call(), "/y")
    assert [each.number for each in await audit.page(10, None)] == [second, first]


async def test_pages_go_through_all_files_and_show_each_call_once_with_its_end(
    tmp_path: Path,
) -> None:
    file = AuditFile(tmp_path, file_bytes=1000, most_files=4)
    audit = AuditLog(file, ticking())
    numbers = []
    for _ in range(40):
        numbers.append(await audit.intend(PUT, call(), "/x"))
        await audit.ended(numbers[-1], "done")
    seen: list[AuditLine] = []
    while page := await audit.page(3, seen[-1].number if seen else None):
        seen += page
    kept = len(seen)
    assert 6 < kept < 40  # the oldest files are gone
    assert [each.number for each in seen] == numbers[::-1][:kept]
    assert all(each.outcome == "done" for each in seen[:-1])


async def test_a_file_that_gets_another_name_while_a_page_is_read_costs_nothing(
    tmp_path: Path,
) -> None:
    class Renamed(AuditFile):
        def _worth_reading(self, before: int | None) -> list[Path]:
            paths = super()._worth_reading(before)
            self._rotate()
            return paths

    audit = AuditLog(Renamed(tmp_path, file_bytes=1000), ticking())
    for _ in range(5):
        number = await audit.intend(PUT, call(), "/x")
        await audit.ended(number, "done")
    seen = await audit.page(10, None)
    assert seen[0].number == number
    assert 1 < len(seen) == len({each.number for each in seen})


async def test_of_no_file_there_is_an_empty_page(audit: AuditLog) -> None:
    assert await audit.page(10, None) == []
    assert await audit.page(10, 5) == []
