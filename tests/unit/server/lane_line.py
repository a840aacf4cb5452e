"""A rig whose ordinary shares go by the lane, and what a rig brings about with it or without."""

from collections.abc import Iterable
from math import inf
from typing import Any

from poolserver._native import LaneRig, LaneTurn, ShareLane
from poolserver._vendor.asyncio_stratum import State
from poolserver.ledger.records import ShareRecord, decode_records
from poolserver.mining.vardiff import VardiffTerms
from tests.unit.server.wire import FakeHouse, Line

ROOM = 1000


class LaneLine(Line):
    """What a rig sends is looked at by the lane first; what is left of it goes the plain path."""

    def __init__(self, house: FakeHouse, vardiff: VardiffTerms | None = None) -> None:
        super().__init__(house, vardiff)
        self.lane = ShareLane(8)
        self.rig = LaneRig(self.session)
        self.went_by_lane = 0

    def say(self, *lines: bytes) -> list[bytes]:
        data = b"".join(lines)
        self.house.journal.turn += 1
        self._look()
        if not self.protocol.connection.is_within_line:
            sequence = len(self.house.journal.records)
            turn = self.lane.judge(self.rig, data, self.house.clock, sequence, 5, ROOM)
            if turn is not None:
                self._book(turn, sequence)
                data = data[turn.taken :]
        if data:
            self.protocol.data_received(data)
        return self.heard()

    def _look(self) -> None:
        """Offer what a share may be accepted for, and open the rig by its present terms."""
        miner, jobs = self.session.miner, self.house.pool.jobs
        self.lane.withdraw(inf)
        for issued in jobs._by_age:
            job = issued.job
            assert jobs.current is not None
            if job.template.prevhash_le != jobs.current.template.prevhash_le:
                continue
            self.lane.offer(
                issued,
                job.job_id,
                job.number,
                job.version,
                job.ntime_min,
                job.ntime_max,
                [variant.hasher for variant in job.variants],
                issued.seen,
            )
            if job is not jobs.current:
                self.lane.expire(issued, issued.expires_at)
        if self.protocol.connection.state is not State.READY or not miner.changes:
            self.rig.close()
            return
        self.rig.open(
            miner.version_mask,
            [
                (
                    change,
                    change.first_job,
                    change.difficulty.target_le,
                    change.difficulty.work,
                    change.version_mask,
                    change.extranonce1,
                    change.coinbase_class,
                )
                for change in miner.changes
            ],
            [(worker, worker.name.encode(), worker.ref) for worker in miner.workers.values()],
        )

    def _book(self, turn: LaneTurn, sequence: int) -> None:
        house, replies = self.house, turn.replies
        records = list(decode_records(turn.records, sequence))
        assert len(records) == turn.count
        for _, record in records:
            assert isinstance(record, ShareRecord)
            house.journal.append_share(
                record.worker_ref,
                record.outcome,
                record.proven,
                record.work,
                record.job_number,
                record.hash_le,
            )
        house.journal.release(lambda: self.transport.write(replies))
        for session, worker, change, issued, count in turn.credits:
            assert session is self.session
            assert worker is self.session.miner.workers[worker.name]
            assert change is self.session.miner.terms_of(issued.job.number)
            for _ in range(count):
                worker.shares += 1
                worker.active_at = house.clock
                vardiff = self.session.miner.vardiff
                assert vardiff.on_share(change.difficulty.value, house.clock) is None
                session._was_accepted(house.clock)
        self.went_by_lane += turn.count


def tell(line: Line, pieces: Iterable[bytes]) -> list[Any]:
    """Say all that, each piece in a turn whose records are safe at its end; all that came of it."""
    house, said = line.house, b""
    for piece in pieces:
        house.clock += 0.01
        said += b"".join(line.say(piece))
        for block in house.blocks:
            block[2]()
        found = [block[0].hash_hex for block in house.blocks]
        house.blocks.clear()
        house.journal.let_go()
        said += b"".join(line.heard()) + b" ".join(hash_hex.encode() for hash_hex in found)
    miner = line.session.miner
    return [
        said.splitlines(),
        line.transport.ended,
        house.journal.records,
        house.journal.found,
        [(each.job.number, sorted(_hashes(each.seen))) for each in house.pool.jobs._by_age],
        [(each.name, each.shares, each.active_at) for each in miner.workers.values()],
        line.session.accepted_at,
        house.malformed,
        miner.changes,
    ]


def _hashes(seen: Any) -> list[bytes]:
    data = seen.to_bytes()
    return [data[i : i + 32] for i in range(0, len(data), 32)]
