from poolserver._vendor.asyncio_stratum import StratumError, SubmitResult
from poolserver.sim.tally import MAX_REASON_LENGTH, MAX_REASONS, OTHER_REASONS, Tally


def refused(code: int, reason: str) -> SubmitResult:
    return SubmitResult(1, False, StratumError(code, reason))


def test_an_accepted_share_counts_with_its_work() -> None:
    tally = Tally()
    tally.count(SubmitResult(1, True, None), 65_537)
    tally.count(SubmitResult(2, True, None), 257)
    assert (tally.accepted, tally.accepted_work) == (2, 65_794)


def test_error_21_is_stale_whatever_its_words() -> None:
    tally = Tally()
    for reason in ("stale", "job_not_found", "Job not found"):
        tally.count(refused(21, reason), 1)
    tally.count(refused(23, "low_difficulty"), 1)
    assert (tally.stale, tally.rejected, tally.accepted_work) == (3, 1, 0)
    assert tally.reasons == {
        "stale": 1,
        "job_not_found": 1,
        "Job not found": 1,
        "low_difficulty": 1,
    }


def test_a_refusal_without_a_reason_is_counted_too() -> None:
    tally = Tally()
    tally.count(SubmitResult(1, False, None), 1)
    assert tally.reasons == {"no reason given": 1}


def test_reasons_are_few_and_short_whatever_a_pool_says() -> None:
    tally = Tally()
    for number in range(1000):
        tally.count(refused(20, f"{number} " * 1000), 1)
    assert len(tally.reasons) == MAX_REASONS + 1
    assert tally.reasons[OTHER_REASONS] == 1000 - MAX_REASONS
    assert max(map(len, tally.reasons)) <= MAX_REASON_LENGTH
