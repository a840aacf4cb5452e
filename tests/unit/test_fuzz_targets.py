"""The fuzz targets work, and find bugs: here in plain Python, without a fuzzer.

``make fuzz`` runs them under one.
"""

import json
from collections.abc import Callable, Iterator

import pytest

from poolserver._vendor.asyncio_stratum import ServerConnection, Submit
from poolserver._vendor.asyncio_stratum.framing import LineBuffer
from poolserver.judge import Judge, Judgement
from poolserver.mining.extranonce import ExtranonceAllocator
from poolserver.mining.job import Job
from poolserver.mining.registry import IssuedJob
from poolserver.pool import Pool
from poolserver.server.msgspec_codec import MsgspecCodec
from poolserver.server.session import MinerSession
from tests.fuzz import fuzz_connection, fuzz_session, fuzz_template
from tests.fuzz.seeds import connection_seeds, session_seeds, template_seeds
from tests.unit.mutants import mutants

CONNECTION_MUTANTS = 4000
SESSION_MUTANTS = 400
TEMPLATE_MUTANTS = 10_000


@pytest.fixture(autouse=True)
def watching() -> Iterator[None]:
    with fuzz_session.watching():
        yield


def hear_seeds() -> None:
    for data in connection_seeds():
        fuzz_connection.one_input(data)


def play_seeds() -> None:
    for data in session_seeds():
        fuzz_session.one_input(data)


# --- the library alone --------------------------------------------------------------------------


def test_any_bytes_are_heard_alike_by_both_codecs_whole_and_in_pieces() -> None:
    for data in mutants(connection_seeds(), CONNECTION_MUTANTS):
        fuzz_connection.one_input(data)


@pytest.mark.parametrize("seed", connection_seeds(), ids=lambda seed: repr(seed[2:30]))
def test_each_seed_is_heard_alike_byte_by_byte_from_end_to_end(seed: bytes) -> None:
    limits = fuzz_connection.LIMITS[seed[0] >> 1 & 3]
    singles = [seed[i : i + 1] for i in range(2, len(seed))]
    whole, *others = (
        fuzz_connection.hear(codec, limits, parts)
        for codec in fuzz_connection.CODECS
        for parts in ([seed[2:]], singles)
    )
    assert [repr(other) for other in others] == [repr(whole)] * 3
    for reply in whole[1]:
        json.loads(reply)  # by a decoder that is neither of the codecs


def test_pieces_are_all_of_the_input() -> None:
    said = bytes(range(256)) * 2
    for step in range(256):
        assert b"".join(fuzz_connection.pieces(said, step)) == said


def test_each_place_of_an_input_is_cut_out_by_itself_in_some_step() -> None:
    length = fuzz_connection.SINGLE_STEPS * fuzz_connection.SINGLE_BYTES
    said = bytes(i % 251 for i in range(length))
    steps = range(fuzz_connection.SINGLE_STEPS)
    singles = [p for step in steps for p in fuzz_connection.pieces(said, step) if len(p) == 1]
    assert b"".join(singles) == said


def test_a_line_that_is_lost_at_a_cut_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LineBuffer, "_end_tail", lambda buffer, end: buffer._tail.clear() or end)
    with pytest.raises(AssertionError, match="in pieces"):
        hear_seeds()


def test_a_codec_of_its_own_mind_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    decode = MsgspecCodec.decode

    def with_whole_numbers(codec: MsgspecCodec, line: bytes) -> object:
        return decode(codec, line.replace(b"1.0", b"1"))

    monkeypatch.setattr(MsgspecCodec, "decode", with_whole_numbers)
    with pytest.raises(AssertionError, match="MsgspecCodec"):
        hear_seeds()


def test_a_request_without_an_answer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ServerConnection, "_answer_by_itself", lambda connection, request: None)
    with pytest.raises(AssertionError, match="replies"):
        hear_seeds()


# --- whole sessions -----------------------------------------------------------------------------


def test_sessions_hold_whatever_their_rigs_do() -> None:
    for data in mutants(session_seeds(), SESSION_MUTANTS):
        fuzz_session.one_input(data)


def test_what_the_seeds_are_meant_to_bring_about_comes_about(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    finish, seen = fuzz_session.Play.finish, set()

    def look(play: fuzz_session.Play) -> None:
        seen.update(record[1].reason for record in play.house.journal.records)
        seen.update(name for name, count in play.house.guard.refused.items() if count)
        seen.update(["block"] * bool(play.house.blocks))
        seen.update(["resumed"] * bool(play.house.pool.resumed))
        finish(play)

    monkeypatch.setattr(fuzz_session.Play, "finish", look)
    play_seeds()
    assert seen >= {"accepted", "stale", "duplicate", "low_difficulty", "ntime_out_of_range"}
    assert seen >= {"version_outside_mask", "unauthorized", "block", "resumed"}
    assert seen >= {"dropped", "banned"}


class Forgetful(set[bytes]):
    """A set that nothing stays in."""

    def add(self, element: bytes) -> None: ...


def forget(what: str) -> Callable[[IssuedJob, Job, float], None]:
    begin = IssuedJob.__init__

    def init(issued: IssuedJob, job: Job, expires_at: float) -> None:
        begin(issued, job, expires_at)
        setattr(issued, what, Forgetful())

    return init


def twice(answer: Callable[..., None]) -> Callable[..., None]:
    def repeat(*args: object) -> None:
        answer(*args)
        answer(*args)

    return repeat


def generous(judge: Judge, *args: object) -> Judgement:
    judgement = submit_share(judge, *args)
    return judgement._replace(work=judgement.work << 200)


def failing(session: MinerSession, submit: Submit) -> None:
    raise KeyError("a bug")


submit_share = Judge.submit_share
BUGS = {
    "a hash was booked twice": (IssuedJob, "__init__", forget("seen")),
    "a block was found twice": (IssuedJob, "__init__", forget("found")),
    "more work than the hash has": (Judge, "submit_share", generous),
    "answered more than was asked": (MinerSession, "_answer", twice(MinerSession._answer)),
    "never answered": (MinerSession, "_answer", lambda *args: None),
    "logged as an error": (MinerSession, "_submit", failing),
    "the same job twice": (Pool, "next_job", lambda pool, *args: pool.jobs.current),
    "an extranonce1 is left behind": (ExtranonceAllocator, "free", lambda *args: None),
    "a session is left behind": (fuzz_session.FakeHouse, "leave", lambda *args: None),
}


@pytest.mark.parametrize("found", BUGS)
def test_a_bug_in_the_pool_is_found(monkeypatch: pytest.MonkeyPatch, found: str) -> None:
    monkeypatch.setattr(*BUGS[found])
    with pytest.raises(AssertionError, match=found):
        play_seeds()


# --- templates ----------------------------------------------------------------------------------


def test_any_bytes_are_the_same_template_to_c_and_its_twin() -> None:
    for data in mutants(template_seeds(), TEMPLATE_MUTANTS):
        fuzz_template.one_input(data)


def test_a_reader_that_takes_what_is_not_json_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def lenient(answer: bytes) -> tuple[bytes, ...]:
        return (answer, *(b"",) * 7)

    monkeypatch.setattr(fuzz_template, "take_transactions", lenient)
    with pytest.raises(AssertionError, match="differ"):
        fuzz_template.one_input(template_seeds()[0])
    monkeypatch.setattr(fuzz_template.twin, "take_transactions", lenient)
    with pytest.raises(AssertionError, match="not the data"):
        fuzz_template.one_input(template_seeds()[0])
    with pytest.raises(json.JSONDecodeError):
        fuzz_template.one_input(template_seeds()[0][:-3])
