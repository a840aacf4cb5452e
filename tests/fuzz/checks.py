"""What must hold of sessions, whatever their rigs have sent."""

import re
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from math import isfinite
from typing import Any, TypeAlias

import msgspec

from poolserver._vendor.asyncio_stratum import SERVER_LIMITS, CodecError, ErrorCode, StdlibCodec
from poolserver._vendor.asyncio_stratum.codec import nests_too_deep
from poolserver.bitcoin.target import target_from_nbits
from poolserver.mining.share import ShareOutcome
from tests.fuzz.world import FuzzedRig
from tests.unit.server.wire import FakeHouse

Id: TypeAlias = tuple[type, object]  # 1, "1" and true are three

decode = msgspec.json.Decoder().decode
# Sessions use the other codec: this one says what their lines mean.
reference = StdlibCodec()
NO_ID: Id = (type(None), None)
NOTIFY_JOB_ID = re.compile(rb'"method":"mining.notify","params":\["([^"]+)"')
# What is said and heard is much the same in each input; to look at it is half of the cost.
REMEMBERED_LINES = 20_000
CODES = {code.value for code in ErrorCode}


def check_rig(rig: FuzzedRig) -> None:
    """All that was written is well-formed; no request has two answers, and each has one if the
    connection lives and nothing is held back any more."""
    heard = rig.heard
    assert not heard or heard.endswith(b"\n"), "the last line has no end"
    lines = heard.split(b"\n")[:-1]
    answers = Counter(answer for answer in map(answered_id, lines) if answer is not None)
    due = Counter(ids_to_answer(b"".join(rig.said)))
    assert not answers - due, f"answered more than was asked: {answers - due}"
    assert not rig.is_open or answers == due, f"never answered: {due - answers}"


@lru_cache(REMEMBERED_LINES)
def answered_id(line: bytes) -> Id | None:
    """Look at a line that was written; the id that it answers, None if it is no answer."""
    message = decode(line)
    if "method" in message:
        check_push(message)
        return None
    check_answer(message)
    return type(message["id"]), message["id"]


def ids_to_answer(said: bytes) -> Iterator[Id]:
    """The id of each line that wants an answer: null where it cannot be read."""
    limit = SERVER_LIMITS.line_bytes
    *lines, rest = said.split(b"\n")
    for line in lines:
        if len(line) > limit:
            yield NO_ID
        elif line not in (b"", b"\r"):
            wanted = id_to_answer(line.removesuffix(b"\r"))
            if wanted is not None:
                yield wanted
    if len(rest) > limit:
        yield NO_ID


@lru_cache(REMEMBERED_LINES)
def id_to_answer(line: bytes) -> Id | None:
    """None if the line is an answer itself."""
    try:
        envelope = reference.decode(line)
    except CodecError:
        return NO_ID
    if nests_too_deep(line) or type(envelope.id) not in (int, str, type(None)):
        return NO_ID
    if envelope[1:3] == (None, None) and envelope != (None,) * 5:
        return None
    return type(envelope.id), envelope.id


def check_answer(message: dict[str, Any]) -> None:
    assert list(message) == ["id", "result", "error"], message
    result, error = message["result"], message["error"]
    if error is None:
        assert result is True or result == "pong" or type(result) in (list, dict), message
    else:
        code, reason, trace = error
        assert result is None, message
        assert trace is None, message
        assert code in CODES, message
        assert type(reason) is str, message


def check_push(message: dict[str, Any]) -> None:
    assert list(message) == ["id", "method", "params"], message
    assert message["id"] is None, message
    params = message["params"]
    match message["method"]:
        case "mining.set_difficulty":
            (difficulty,) = params
            assert difficulty > 0, message
            assert isfinite(difficulty), message
        case "mining.notify":
            check_notify(params)
        case "mining.set_extranonce":
            extranonce1, extranonce2_size = params
            assert len(bytes.fromhex(extranonce1)) == 4, message
            assert extranonce2_size == 8, message
        case "mining.set_version_mask":
            assert int(params[0], 16) > 0, message
        case "client.show_message":
            assert type(params[0]) is str, message
        case "client.reconnect":
            assert params == [] or [type(value) for value in params] == [str, int, int], message
        case method:
            raise AssertionError(f"a push of an unknown kind: {method}")


def check_notify(params: list[Any]) -> None:
    job_id, prevhash, coinb1, coinb2, branch, version, nbits, ntime, clean_jobs = params
    assert type(job_id) is str, params
    assert len(bytes.fromhex(prevhash)) == 32, params
    bytes.fromhex(coinb1 + coinb2)
    assert all(len(bytes.fromhex(item)) == 32 for item in branch), params
    assert len(version) == len(nbits) == len(ntime) == 8, params
    assert int(version, 16) & 0x1FFFE000 == 0, "a rolling bit is set in a job"
    assert type(clean_jobs) is bool, params


def check_work_is_never_sent_twice(rig: FuzzedRig) -> None:
    """A job id goes out once on a connection: the same work again freezes BraiinsOS."""
    jobs = NOTIFY_JOB_ID.findall(rig.heard)
    assert len(set(jobs)) == len(jobs), f"the same job twice: {jobs}"


def check_books(house: FakeHouse) -> None:
    """Work is accepted once for a hash, and no more of it than the hash stands for."""
    proven = [record for record in house.journal.records if record[2]]
    hashes = {hash_le for *_, hash_le in proven}
    assert len(hashes) == len(proven), "a hash was booked twice"
    for _, outcome, is_proven, work, _, hash_le in house.journal.records:
        assert is_proven or (work == 0 and outcome is not ShareOutcome.ACCEPTED), outcome
        assert work * int.from_bytes(hash_le, "little") <= 1 << 256, "more work than the hash has"
        assert work > 0 or not is_proven, "a proven share without work"


def check_blocks(house: FakeHouse) -> None:
    """Each block is found once, and is one."""
    blocks = [block for block, _, _ in house.blocks]
    assert len({block.hash_hex for block in blocks}) == len(blocks), "a block was found twice"
    assert len(house.journal.found) == len(blocks), "a block is not in the books"
    for block in blocks:
        header = bytes.fromhex(block.block_hex[:160])
        hash_le = sha256(sha256(header).digest()).digest()
        assert hash_le[::-1].hex() == block.hash_hex, "not the hash of the header"
        target = target_from_nbits(int.from_bytes(header[72:76], "little"))
        assert int.from_bytes(hash_le, "little") <= target, "not a block"


def check_extranonces(rigs: list[FuzzedRig]) -> None:
    """No two live connections have an extranonce1 in common."""
    taken = [e1 for rig in rigs if rig.is_open for e1 in rig.session.miner.extranonces]
    assert len(set(taken)) == len(taken), "two connections share an extranonce1"


def check_nothing_is_left(house: FakeHouse) -> None:
    """All have gone and their time is over: what was theirs is free again."""
    assert not house.sessions, "a session is left behind"
    assert not house.by_session_id, "a session id is left behind"
    # There is no public count of either.
    assert len(house.pool.extranonces) == 0, "an extranonce1 is left behind"
    addresses = house.guard._admission._addresses
    left = [key for key, address in addresses.items() if address.connections]
    assert not left, f"connections are still counted: {left}"
