"""What has happened in the made-up programme: blocks, a week, events."""

import math
from collections.abc import Iterator
from hashlib import sha256

from poolserver.lookout.view import BlockLine, Event, History
from tests.browser.ground import (
    MW,
    NOW,
    RIG_W,
    RIGS,
    SPANS_S,
    STEPS_S,
    hashrate_of,
    made_up_rig,
    noise,
)


def made_up_block(i: int) -> BlockLine:
    """The i-th, the newest first."""
    state = "accepted" if i < 2 else "orphaned" if i == 9 else "mature"
    pays = state != "orphaned"
    effort = 0.95 + 0.8 * noise("effort", i)
    height = 926_391 - i * 137
    return BlockLine(
        height=height,
        hash="0" * 19 + sha256(f"made up {i}".encode()).hexdigest()[19:],
        state=state,
        found_unix_ms=int((NOW - 3 * 3600 - i * 83_000) * 1000),
        worker=made_up_rig((i * 37_813) % RIGS).worker,
        value_sat=312_500_000 + (i * 7_919_113) % 9_000_000,
        fee_sat=4_687_500,
        payees_paid=41 + i % 7,
        unpaid_sat=(i % 4) * 1311 if pays else 0,
        effort=effort if pays else None,
        luck=1 / effort if pays else None,
    )


def made_up_history(span: str, part: float) -> History:
    """A curtailment stands in it: four hours ago the limit went down, and so did the power."""
    step_s = STEPS_S[span]
    n = SPANS_S[span] // step_s
    ages_s = [(n - 1 - i) * step_s for i in range(n)]
    limits = [_limit_w(age_s) * part for age_s in ages_s]
    powers = [
        min(
            (418 + 8 * math.sin(age_s / 9000) + noise(span, age_s)) * MW * part,
            limit - (6 + 2 * math.sin(age_s / 700)) * MW * part,
        )
        for age_s, limit in zip(ages_s, limits, strict=True)
    ]
    ai_w = [(58.7 + 4 * math.sin(age_s / 5000)) * MW * part for age_s in ages_s]
    mining = [(power - ai) / 1.034 for power, ai in zip(powers, ai_w, strict=True)]
    away = {n // 3, n // 3 + 1} if span == "7d" else set()
    per_step = step_s * 1667 * part
    shares = [int(per_step * (1 + 0.01 * noise(span, "s", age_s))) for age_s in ages_s]

    def known(values: list[float]) -> tuple[float | None, ...]:
        return tuple(None if i in away else value for i, value in enumerate(values))

    def counts(values: list[int]) -> tuple[int | None, ...]:
        return tuple(None if i in away else value for i, value in enumerate(values))

    return History(
        end_s=NOW,
        step_s=step_s,
        hashrate_h_s=known(
            [hashrate_of(w) * (1 + 0.004 * noise(w, "h")) for w in mining],
        ),
        power_w=known(powers),
        power_sigma_w=known([w * 0.004 for w in powers]),
        limit_w=known(limits),
        ai_w=known(ai_w),
        accepted=counts(shares),
        stale=counts(
            [int(s * (0.0023 + 0.0006 * noise(span, "t", i))) for i, s in enumerate(shares)],
        ),
        rejected=counts(
            [int(s * (0.0007 + 0.0003 * noise(span, "r", i))) for i, s in enumerate(shares)],
        ),
        rigs=counts([int(w / RIG_W) for w in mining]),
    )


def _limit_w(age_s: float) -> float:
    """430 MW now; 380 for two hours before."""
    day_s = age_s % 86_400
    return (385 if 2.2 * 3600 < day_s < 4.2 * 3600 else 430) * MW


def made_up_events() -> Iterator[Event]:
    """Some hundred, the oldest first."""
    kinds: list[tuple[str, str, dict[str, str | int | float | bool | None]]] = [
        ("info", "new_tip", {"height": 926_417, "transactions": 3284, "left_out": 0}),
        ("info", "power_intended", {"what": "would shed 312 rigs, 1.1 MW, of Sahiwal/T2"}),
        ("warning", "meter_not_believed", {"meter": "chinahub-t3", "quality": "stale"}),
        ("info", "energy_closed", {"until": "2026-11-28T13:00:00Z", "rows": 240}),
        ("info", "budget_word", {"node": "Sahiwal", "limit_mw": 212, "source": "NTDC"}),
        ("warning", "rigs_silent", {"rigs": 4, "names": "sahiwal.t2c11r07-011093"}),
        ("info", "journal_pruned", {"files": 3}),
        ("error", "node_behind", {"node": "core-3", "blocks": 1}),
        ("info", "new_tip", {"height": 926_416, "transactions": 2977, "left_out": 2}),
    ]
    count = 180
    for i in range(count):
        level, name, fields = kinds[(count - 1 - i) % len(kinds)]
        yield Event(1_795_000_000_000 + i, NOW - (count - 1 - i) * 171.0 - 9, level, name, fields)
