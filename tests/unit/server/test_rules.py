"""The rules for jobs and shares, one by one, on the wire: docs/rules.md has the list.

Each rule's other tests, with its corners, are named there too.
"""

import json
from hashlib import sha256
from typing import Any

import pytest

from poolserver._vendor.asyncio_stratum import Submit
from poolserver.bitcoin.target import Difficulty
from poolserver.mining.extranonce import ExtranonceAllocator
from poolserver.mining.identity import WorkerIdentity
from poolserver.mining.job import NTIME_ROLL_MAX_S
from poolserver.mining.share import ShareOutcome
from tests.unit.server.wire import (
    AUTHORIZE,
    SUBSCRIBE,
    FakeHouse,
    Line,
    messages,
    methods,
    mining_line,
    submit_line,
)
from tests.unit.solving import CURTIME, EASY, MASK, REGTEST_NBITS, make_pool, template

CONFIGURE = (
    b'{"id":3,"method":"mining.configure","params":[["version-rolling"],'
    b'{"version-rolling.mask":"%08x"}]}\n' % MASK
)


def verdict(house: FakeHouse, line: Line, share: Submit) -> ShareOutcome:
    """What a share is judged to be, as its record in the journal says."""
    line.say(submit_line(share))
    return house.journal.records[-1][1]


def answer(house: FakeHouse, line: Line, share: Submit) -> Any:
    """What a share is answered: True, or the error."""
    house.journal.let_go()
    line.heard()
    line.say(submit_line(share))
    house.journal.let_go()
    (reply,) = (m for m in messages(line.heard()) if m["id"] == 4)
    return reply["result"] or reply["error"]


def regtest_house() -> FakeHouse:
    """Half of all hashes are blocks there."""
    return FakeHouse(pool=make_pool(cap_at_network_difficulty=False))


def block_share(line: Line, job: Any, number: int = 0, **terms: Any) -> Submit:
    return line.solve(job, number, meets=2.0**-31, **terms)


def rolling_line(house: FakeHouse) -> Line:
    line = Line(house)
    line.say(CONFIGURE, SUBSCRIBE, AUTHORIZE)
    return line


# --- 1: extranonce ----------------------------------------------------------------------------


async def test_rule_1_extranonce1_has_4_bytes_and_extranonce2_8(house: FakeHouse) -> None:
    (reply,) = messages(Line(house).say(SUBSCRIBE))
    _, extranonce1, extranonce2_size = reply["result"]
    assert len(bytes.fromhex(extranonce1)) == 4
    assert extranonce2_size == 8


def test_rule_1_no_two_connections_or_processes_share_an_extranonce1() -> None:
    handed_out = [
        allocator.allocate()
        for index in range(8)
        for allocator in [ExtranonceAllocator(WorkerIdentity("pool-1", index, 1_763_942_400))]
        for _ in range(100)
    ]
    assert len(set(handed_out)) == len(handed_out)


# --- 2: the network target first ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "terms"),
    [
        ("demo.rig", {"ntime": CURTIME - 100_000}),
        ("demo.rig", {"ntime": CURTIME + 100_000}),
        ("demo.rig", {"version_bits": 1}),
        ("nobody", {}),
    ],
    ids=["ntime early", "ntime late", "version", "unauthorized"],
)
async def test_rule_2_a_block_is_submitted_whatever_else_is_wrong_with_its_share(
    name: str, terms: dict[str, int]
) -> None:
    house = regtest_house()
    job = house.work(nbits=REGTEST_NBITS)
    line = mining_line(house)
    share = block_share(line, job, **terms)._replace(worker_name=name)
    assert verdict(house, line, share) is not ShareOutcome.ACCEPTED
    assert len(house.blocks) == 1


async def test_rule_2_a_block_below_the_share_target_is_submitted() -> None:
    house = regtest_house()
    job = house.work(nbits=REGTEST_NBITS)
    line = Line(house)
    line.say(SUBSCRIBE, AUTHORIZE.replace(b'"x"', b'"d=1"'))
    assert verdict(house, line, block_share(line, job)) is ShareOutcome.LOW_DIFFICULTY
    assert len(house.blocks) == 1


async def test_rule_2_a_block_that_is_found_again_is_a_duplicate_and_nothing_more() -> None:
    house = regtest_house()
    job = house.work(nbits=REGTEST_NBITS)
    line = mining_line(house)
    share = block_share(line, job)
    line.say(submit_line(share))
    house.blocks[0][2]()
    house.journal.let_go()
    line.heard()
    assert answer(house, line, share) == [22, "duplicate", None]
    assert len(house.blocks) == 1
    assert [record[2:4] for record in house.journal.records[1:]] == [(False, 0)]


# --- 3: difficulty goes with the job --------------------------------------------------------------


def change_difficulty(line: Line, to: float) -> Any:
    line.session.miner.vardiff.difficulty = to
    line.session.send_fresh_job()
    return line.house.pool.jobs.spare


async def test_rule_3_a_share_is_judged_and_credited_by_its_own_jobs_difficulty(
    house: FakeHouse,
) -> None:
    job = house.work()
    line = mining_line(house)
    harder = change_difficulty(line, EASY * 64)
    low = line.solve(job, meets=EASY, misses=EASY * 64)
    assert verdict(house, line, low) is ShareOutcome.ACCEPTED
    assert house.journal.records[-1][3] == Difficulty.of(EASY).work
    high = line.solve(harder, meets=EASY * 64)
    assert verdict(house, line, high) is ShareOutcome.ACCEPTED
    assert house.journal.records[-1][3] == Difficulty.of(EASY * 64).work
    miss = line.solve(harder, 1, meets=EASY, misses=EASY * 64)
    assert verdict(house, line, miss) is ShareOutcome.LOW_DIFFICULTY


async def test_rule_3_a_change_goes_out_with_a_fresh_job_in_one_write(house: FakeHouse) -> None:
    house.work()
    line = mining_line(house)
    change_difficulty(line, EASY * 64)
    (write,) = line.heard()
    assert methods([write]) == ["mining.set_difficulty", "mining.notify"]


async def test_rule_3_a_lowered_difficulty_that_a_rig_applies_to_older_jobs_is_met_there(
    house: FakeHouse,
) -> None:
    job = house.work()
    line = mining_line(house)
    hard = change_difficulty(line, EASY * 64)
    change_difficulty(line, EASY)
    before = line.solve(hard, 1, meets=EASY * 64)
    assert verdict(house, line, before) is ShareOutcome.ACCEPTED
    assert house.journal.records[-1][3] == Difficulty.of(EASY * 64).work
    between = line.solve(hard, 2, meets=EASY, misses=EASY * 64)
    assert verdict(house, line, between) is ShareOutcome.ACCEPTED
    assert house.journal.records[-1][3] == Difficulty.of(EASY).work
    after = line.solve(hard, 3, meets=EASY * 64)
    assert verdict(house, line, after) is ShareOutcome.ACCEPTED
    assert house.journal.records[-1][3] == Difficulty.of(EASY).work  # from then on
    assert verdict(house, line, line.solve(job, 4, meets=EASY)) is ShareOutcome.ACCEPTED


# --- 4: jobs live on ---------------------------------------------------------------------------


async def test_rule_4_a_share_on_the_old_tip_is_stale_and_was_tested_as_a_block() -> None:
    house = regtest_house()
    job = house.work(nbits=REGTEST_NBITS)
    line = mining_line(house)
    house.work(height=102, tip=2, nbits=REGTEST_NBITS)
    assert verdict(house, line, block_share(line, job)) is ShareOutcome.STALE
    assert len(house.blocks) == 1


async def test_rule_4_jobs_live_600_seconds(house: FakeHouse) -> None:
    job = house.work()
    line = mining_line(house)
    shares = [line.solve(job, number) for number in range(2)]
    house.clock = 599.0
    house.work()
    assert verdict(house, line, shares[0]) is ShareOutcome.ACCEPTED
    house.clock = 600.0
    house.work()
    assert answer(house, line, shares[1]) == [21, "job_not_found", None]


# --- 5: ntime, version bits, fields ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("ntime", "outcome"),
    [
        (CURTIME - 601, ShareOutcome.NTIME_OUT_OF_RANGE),
        (CURTIME - 600, ShareOutcome.ACCEPTED),
        (CURTIME + NTIME_ROLL_MAX_S, ShareOutcome.ACCEPTED),
        (CURTIME + NTIME_ROLL_MAX_S + 1, ShareOutcome.NTIME_OUT_OF_RANGE),
    ],
)
async def test_rule_5_ntime_is_from_mintime_to_curtime_plus_7000(
    house: FakeHouse, ntime: int, outcome: ShareOutcome
) -> None:
    job = house.work()
    line = mining_line(house)
    assert verdict(house, line, line.solve(job, ntime=ntime)) is outcome


async def test_rule_5_version_bits_outside_the_mask_are_error_20(house: FakeHouse) -> None:
    job = house.work()
    line = rolling_line(house)
    share = line.solve(job, version_bits=MASK | 1)
    line.say(submit_line(share))
    house.journal.let_go()
    assert messages(line.heard())[0]["error"] == [20, "version_outside_mask", None]


async def test_rule_5_masked_bits_are_replaced_and_not_ored() -> None:
    house = FakeHouse()
    # The node's version has a bit of the mask set; a rig clears it by its own bits.
    job = house.work()
    line = rolling_line(house)
    share = line.solve(job, version_bits=0x4000)
    line.say(submit_line(share))
    assert house.journal.records[-1][1] is ShareOutcome.ACCEPTED
    header = header_of(house, line, share, version=0x20004000)
    assert house.journal.records[-1][5] == sha256(sha256(header).digest()).digest()


@pytest.mark.parametrize(
    "params",
    [
        ["demo.rig", "feed", "00" * 7, "00" * 4, "00" * 4],
        ["demo.rig", "feed", "00" * 8, "00" * 3, "00" * 4],
        ["demo.rig", "feed", "00" * 8, "00" * 4, "zz" * 4],
        ["demo.rig", "feed", "00" * 8, "00" * 4, "00" * 4, "1"],
        ["demo.rig", "feed", "00" * 8, "00" * 4],
    ],
    ids=["extranonce2", "ntime", "nonce", "version bits", "missing"],
)
async def test_rule_5_a_wrong_field_is_error_20_and_no_disconnect(
    house: FakeHouse, params: list[str]
) -> None:
    house.work()
    line = mining_line(house)
    assert line.ask("mining.submit", *params)["error"][0] == 20
    assert line.transport.ended == ""


# --- 6: duplicates -----------------------------------------------------------------------------


async def test_rule_6_a_duplicate_is_known_by_its_header_whatever_its_spelling(
    house: FakeHouse,
) -> None:
    job = house.work()
    line = mining_line(house)
    share = line.solve(job, number=0xABCDEF)
    assert verdict(house, line, share) is ShareOutcome.ACCEPTED
    loud = submit_line(share).replace(
        share.extranonce2.hex().encode(), share.extranonce2.hex().upper().encode()
    )
    line.say(loud)
    assert house.journal.records[-1][1] is ShareOutcome.DUPLICATE


async def test_rule_6_version_bits_are_part_of_the_header(house: FakeHouse) -> None:
    job = house.work()
    line = rolling_line(house)
    for bits in (0, 0x2000, MASK):
        share = line.solve(job, version_bits=bits)
        line.say(submit_line(share))
    assert [record[1] for record in house.journal.records] == [ShareOutcome.ACCEPTED] * 3


async def test_rule_6_only_a_hash_that_met_its_target_is_remembered(house: FakeHouse) -> None:
    job = house.work()
    line = mining_line(house)
    for number in range(20):
        line.say(submit_line(line.solve(job, number, meets=2.0**-32, misses=EASY)))
    issued = house.pool.jobs.get(job.job_id, 0.0)
    assert issued is not None
    assert len(issued.seen) == 0


async def test_rule_6_no_header_belongs_to_two_jobs(house: FakeHouse) -> None:
    one, other = house.work(), house.work()
    assert one.variants[0].coinbase.coinb1 != other.variants[0].coinbase.coinb1


async def test_rule_6_a_reorganisation_and_back_replays_nothing(house: FakeHouse) -> None:
    job = house.work(tip=1)
    line = mining_line(house)
    share = line.solve(job)
    assert verdict(house, line, share) is ShareOutcome.ACCEPTED
    house.work(tip=2)
    house.work(tip=1)
    assert verdict(house, line, share) is ShareOutcome.DUPLICATE


# --- 7: new tip --------------------------------------------------------------------------------


async def test_rule_7_clean_jobs_is_true_on_a_new_block_only(house: FakeHouse) -> None:
    job = house.work()
    line = Line(house)
    assert messages(line.say(SUBSCRIBE, AUTHORIZE))[-1]["params"][8] is True
    line.session.send_fresh_job()
    assert messages(line.heard())[-1]["params"][8] is False
    assert json.loads(job.variants[0].notify_clean)["params"][8] is True


async def test_rule_7_job_ids_never_repeat_not_over_restarts_either() -> None:
    lives = [WorkerIdentity("pool-1", 0, epoch) for epoch in (1_763_942_400, 1_763_942_401)]
    assert len({life.job_prefix for life in lives}) == 2
    house = FakeHouse()
    ids = [house.work().job_id for _ in range(100)]
    assert len(set(ids)) == 100


async def test_rule_7_no_work_is_sent_twice(house: FakeHouse) -> None:
    house.work()
    line = Line(house)
    first = messages(line.say(SUBSCRIBE, AUTHORIZE))[-1]["params"]
    line.session.send_fresh_job()  # of a template that has not changed
    second = messages(line.heard())[-1]["params"]
    assert first[0] != second[0]
    assert first[2] != second[2]


# --- the masks, which pools get wrong -------------------------------------------------


async def test_the_pools_mask_bits_are_clear_in_each_jobs_version(house: FakeHouse) -> None:
    assert template().version & MASK
    assert house.work().version & MASK == 0


@pytest.mark.parametrize("style", ["replace", "or", "xor"])
async def test_rigs_that_replace_or_or_xor_the_bits_arrive_at_one_header(
    house: FakeHouse, style: str
) -> None:
    job = house.work()
    rolled = 0x00024000
    version = {
        "replace": job.version & ~MASK | rolled,
        "or": job.version | rolled,
        "xor": job.version ^ rolled,
    }[style]
    assert version == job.version & ~MASK | rolled


# --- helpers -----------------------------------------------------------------------------------


def header_of(house: FakeHouse, line: Line, share: Submit, version: int) -> bytes:
    """The header of a share, built from what the rig was sent and nothing else."""
    issued = house.pool.jobs.get(share.job_id, 0.0)
    assert issued is not None
    _, prevhash, coinb1, coinb2, branch, _, nbits, _, _ = json.loads(
        issued.job.variants[0].notify_clean
    )["params"]
    extranonce1 = line.session.miner.extranonce1
    coinbase = bytes.fromhex(coinb1) + extranonce1 + share.extranonce2 + bytes.fromhex(coinb2)
    root = sha256(sha256(coinbase).digest()).digest()
    for step in branch:
        root = sha256(sha256(root + bytes.fromhex(step)).digest()).digest()
    words = bytes.fromhex(prevhash)
    prevhash_le = b"".join(words[at : at + 4][::-1] for at in range(0, 32, 4))
    return (
        version.to_bytes(4, "little")
        + prevhash_le
        + root
        + share.ntime.to_bytes(4, "little")
        + bytes.fromhex(nbits)[::-1]
        + share.nonce.to_bytes(4, "little")
    )
