from poolserver.mining.share import ShareOutcome


def test_numbers_codes_and_reasons_are_a_contract() -> None:
    assert [(o.value, o.code, o.reason) for o in ShareOutcome] == [
        (0, 0, "accepted"),
        (1, 21, "stale"),
        (2, 21, "job_not_found"),
        (3, 22, "duplicate"),
        (4, 23, "low_difficulty"),
        (5, 24, "unauthorized"),
        (6, 25, "not_subscribed"),
        (7, 20, "ntime_out_of_range"),
        (8, 20, "version_outside_mask"),
        (9, 20, "malformed"),
    ]


def test_stale_is_a_result_of_its_own() -> None:
    assert {o.result for o in ShareOutcome} == {"accepted", "stale", "rejected"}
    assert ShareOutcome.STALE.result == "stale"
    assert ShareOutcome(4).result == "rejected"
