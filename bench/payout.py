"""What it costs to share out a block by the work of many accounts.

python bench/payout.py
"""

import time
import tracemalloc
from collections.abc import Callable
from fractions import Fraction
from random import Random
from statistics import median

from poolserver.ledger.rewards import PayoutTerms
from poolserver.ledger.totals import INTERVAL_S, Earning, EarningKey
from poolserver.ledger.window import RewardWindow
from poolserver.mining.firmware import builtin_firmware
from poolserver.mining.identity import WorkerIdentity
from poolserver.mining.job import CoinbaseClasses, JobFactory, JobTerms
from poolserver.mining.payout import PayoutPlan
from poolserver.mining.template import BlockTemplate
from poolserver.mining.transactions import BlockTransactions

ROUNDS = 9
CURTIME = 1_763_942_400
OPERATOR = b"\x51\x20" + bytes(32)
DAY = 96  # intervals


def ms(call: Callable[[], object]) -> float:
    """The median CPU time of a call in milliseconds."""
    times = []
    for _ in range(ROUNDS):
        begin = time.thread_time()
        call()
        times.append(time.thread_time() - begin)
    return median(times) * 1000


def template(value_sat: int) -> BlockTemplate:
    return BlockTemplate(
        height=900_000,
        version=0x20000000,
        prevhash_le=b"\x01" * 32,
        nbits=0x17034219,
        curtime=CURTIME,
        mintime=CURTIME - 600,
        coinbase_value_sat=value_sat,
        transactions=BlockTransactions(),
        merkle_branch=(b"\x11" * 32,) * 12,
        witness_commitment=bytes.fromhex("6a24aa21a9ed" + "33" * 32),
    )


def script_of(label: str) -> bytes:
    return b"\x00\x14" + bytes.fromhex(label[-40:])


def labels(count: int) -> list[str]:
    """Names as long as addresses."""
    return [f"bc{number:040x}" for number in range(count)]


def plans(count: int) -> None:
    random = Random(count)
    terms = PayoutTerms(OPERATOR, 100, script_of, window_times=Fraction(2))
    weights = {label: random.getrandbits(72) + 1 for label in labels(count)}
    owed = {label: random.randrange(1, 100_000) for label in list(weights)[::2]}
    plan = terms.plan(weights, owed)
    factory = JobFactory(
        WorkerIdentity("pool-1", 0, 1),
        JobTerms(b"/bench/", 8, 0x1FFFE000),
        CoinbaseClasses(builtin_firmware().coinbase_sizes),
        plan,
    )
    values = iter(range(312_500_000, 312_600_000))

    def take_plan(plan: PayoutPlan = plan) -> None:
        factory.plan = plan

    first = ms(lambda: factory.make(template(next(values)), CURTIME))
    again = ms(lambda: factory.make(template(312_500_000), CURTIME))
    print(
        f"{count:>6} payees, half of them with a debt, in 5 sizes of coinbase: "
        f"a job {first:5.2f} ms, a fresh one of the same value {again:5.2f} ms; "
        f"a plan {ms(lambda: terms.plan(weights, owed)):5.2f} ms and {ms(take_plan):5.2f} ms "
        f"to take it up; no debts any more {ms(plan.without_debts):5.2f} ms"
    )


def windows(accounts: int, days: int) -> None:
    random = Random(accounts)
    names = labels(accounts)
    works = [random.getrandbits(52) + 1 for _ in names]
    tracemalloc.start()
    window = RewardWindow(Fraction(2), lambda _: True)
    window.begin_loading({})
    window.end_loading({}, is_whole=True)
    for number in range(days * DAY):
        earned = {
            EarningKey(number * INTERVAL_S, "hall", name, 1): Earning(work, 0)
            for name, work in zip(names, works, strict=True)
        }
        window.add(earned)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    rows = accounts * days * DAY
    network_work = int(window.work * 0.49)  # twice that is in the window
    window.expire(network_work)
    print(
        f"{accounts:>6} accounts over {days:>2} days: {held / 2**20:6.1f} MiB, "
        f"{held / rows:4.1f} B for each of {rows:,} sums; "
        f"weights {ms(lambda: window.weights(network_work)):5.1f} ms"
    )


if __name__ == "__main__":
    for count in (100, 1_000, 10_000):
        plans(count)
    for accounts, days in ((100, 14), (1_000, 14), (10_000, 2)):
        windows(accounts, days)
