"""The ladder, strikes and bans: rubbish is ended, bad luck and silence never are."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.server.conduct import Ban, Bans, Conduct, ConductTerms, Step, pool_at_fault

TERMS = ConductTerms()
# Without the ratio, for tests of the ladder alone.
LADDER = ConductTerms(window_submits=10**9)
SITE = "192.0.2.1"


def steps_at(conduct: Conduct, times: list[float]) -> dict[float, Step]:
    """The steps other than NONE that bad events at ``times`` lead to."""
    steps = {now: conduct.bad(now) for now in times}
    return {now: step for now, step in steps.items() if step is not Step.NONE}


def every(seconds: float, start: float, end: float) -> list[float]:
    count = int((end - start) / seconds) + 1
    return [start + n * seconds for n in range(count)]


# --- the ladder ------------------------------------------------------------------------------


def test_an_invalid_run_is_sent_work_then_away_then_dropped() -> None:
    steps = steps_at(Conduct(LADDER, 1000.0), every(5, 1000, 1180))
    assert steps == {1060: Step.RESEND, 1120: Step.RECONNECT, 1180: Step.DROP}


def test_each_step_but_the_last_is_taken_once_in_a_run() -> None:
    steps = steps_at(Conduct(LADDER, 0.0), every(1, 0, 185))
    assert list(steps.values()) == [Step.RESEND, Step.RECONNECT] + [Step.DROP] * 6


def test_the_steps_come_with_the_first_bad_event_after_their_time() -> None:
    steps = steps_at(Conduct(LADDER, 0.0), every(50, 0, 200))
    assert steps == {100: Step.RESEND, 150: Step.RECONNECT, 200: Step.DROP}


def test_with_terms_so_close_that_one_is_passed_the_harder_step_is_taken() -> None:
    conduct = Conduct(replace(LADDER, run_gap_s=1000.0), 0.0)
    assert steps_at(conduct, [0.0, 130.0, 140.0]) == {130.0: Step.RECONNECT}


def test_an_accepted_share_ends_the_run() -> None:
    conduct = Conduct(LADDER, 0.0)
    assert not steps_at(conduct, every(5, 0, 55))
    conduct.good(59.0)
    assert steps_at(conduct, every(5, 60, 180)) == {120: Step.RESEND, 180: Step.RECONNECT}


def test_the_steps_come_anew_in_a_new_run() -> None:
    conduct = Conduct(LADDER, 0.0)
    assert steps_at(conduct, every(5, 0, 150)) == {60: Step.RESEND, 120: Step.RECONNECT}
    conduct.good(151.0)
    assert steps_at(conduct, every(5, 200, 265)) == {260: Step.RESEND}


def test_bad_events_that_are_far_apart_are_no_run() -> None:
    conduct = Conduct(LADDER, 0.0)
    assert not steps_at(conduct, every(3600, 0, 48 * 3600))
    assert not steps_at(Conduct(LADDER, 0.0), every(60.1, 0, 6000))


def test_bad_events_at_most_a_minute_apart_are_a_run() -> None:
    assert steps_at(Conduct(LADDER, 0.0), every(60, 0, 180)) == {
        60: Step.RESEND,
        120: Step.RECONNECT,
        180: Step.DROP,
    }


def test_malformed_messages_and_refused_authorizes_climb_the_ladder_too() -> None:
    conduct = Conduct(TERMS, 0.0)
    steps = [conduct.bad(now, is_submit=False) for now in every(1, 0, 180)]
    assert [step for step in steps if step] == [Step.RESEND, Step.RECONNECT, Step.DROP]


@pytest.mark.parametrize("bad_before", [0, 1, 12])
def test_a_rig_that_idles_in_a_curtailment_is_never_sent_away(bad_before: int) -> None:
    conduct = Conduct(TERMS, 0.0)
    for n in range(bad_before):
        assert conduct.bad(n * 5.0) is Step.NONE
    # Ten hours pass. Nothing happens, for there is nobody to tell of time. Then work is back.
    assert not conduct.rejecting(36_000.0)
    assert conduct.bad(36_000.0) is Step.NONE
    conduct.good(36_001.0)
    assert conduct.bad(36_002.0) is Step.NONE


# --- the ratio -------------------------------------------------------------------------------


def submit(conduct: Conduct, pattern: str, now: float = 0.0) -> list[Step]:
    """``b`` is a rejected share, ``g`` an accepted one; the steps of the rejected ones."""
    steps = []
    for letter in pattern:
        if letter == "b":
            steps.append(conduct.bad(now))
        else:
            conduct.good(now)
    return steps


def test_ninety_percent_of_fifty_submits_rejected_is_dropped() -> None:
    steps = submit(Conduct(TERMS, 0.0), "bbbbbbbbbg" * 4 + "bgbbbbbbbb")
    assert set(steps[:-1]) == {Step.NONE}
    assert steps[-1] is Step.DROP


def test_fewer_than_fifty_submits_are_too_few_to_judge_by() -> None:
    assert set(submit(Conduct(TERMS, 0.0), "b" * 49)) == {Step.NONE}


def test_four_in_five_rejected_are_not_dropped_however_long_it_goes_on() -> None:
    assert set(submit(Conduct(TERMS, 0.0), ("b" * 8 + "gg") * 1000)) == {Step.NONE}


def test_the_window_tumbles_so_good_shares_of_the_past_do_not_outweigh() -> None:
    steps = submit(Conduct(TERMS, 0.0), "b" + "g" * 49 + "b" * 50)
    assert steps[-2:] == [Step.NONE, Step.DROP]


def test_a_good_share_that_fills_the_window_drops_nobody_but_the_next_bad_one_may() -> None:
    assert submit(Conduct(TERMS, 0.0), "b" * 49 + "gb")[-1] is Step.DROP
    # 45 of 50 is too much, 45 of 51 is not.
    assert submit(Conduct(TERMS, 0.0), "b" * 45 + "gggggg" + "b")[-1] is Step.NONE


def test_malformed_messages_and_refused_authorizes_are_no_submits() -> None:
    conduct = Conduct(TERMS, 0.0)
    assert {conduct.bad(0.0, is_submit=False) for _ in range(1000)} == {Step.NONE}


def test_a_drop_comes_again_with_each_bad_event_until_the_session_is_gone() -> None:
    conduct = Conduct(TERMS, 0.0)
    assert submit(conduct, "b" * 55)[49:] == [Step.DROP] * 6
    assert conduct.bad(0.0, is_submit=False) is Step.DROP


# --- how long it is kept ---------------------------------------------------------------------


def test_a_session_forgets_its_conduct_after_a_window_that_was_fine() -> None:
    conduct = Conduct(TERMS, 0.0)
    submit(conduct, "b" + "g" * 48)
    assert not conduct.is_over
    conduct.good(0.0)
    assert conduct.is_over


def test_it_is_not_over_once_something_bad_has_happened_again() -> None:
    conduct = Conduct(TERMS, 0.0)
    submit(conduct, "b" + "g" * 49)
    conduct.bad(0.0)
    assert not conduct.is_over


def test_it_is_not_over_in_an_invalid_run_though_the_window_was_fine() -> None:
    conduct = Conduct(TERMS, 0.0)
    submit(conduct, "b" + "g" * 48 + "b")
    assert not conduct.is_over


BURSTS = st.lists(
    st.tuples(st.sampled_from("bg"), st.integers(1, 60), st.sampled_from([0.1, 5.0, 30.0, 61.0])),
    max_size=12,
)


@given(BURSTS)
def test_to_forget_what_is_over_makes_no_difference(
    bursts: list[tuple[str, int, float]],
) -> None:
    """``forgetting`` is kept as a session keeps it: made anew at the next bad event."""
    kept = Conduct(TERMS, 0.0)
    forgetting: Conduct | None = None
    now = 0.0
    for letter, count, pace_s in bursts:
        for _ in range(count):
            now += pace_s
            if letter == "b":
                forgetting = forgetting or Conduct(TERMS, now)
                assert kept.bad(now) is forgetting.bad(now)
                assert kept.rejecting(now) == forgetting.rejecting(now)
            elif forgetting is not None:  # else the session has nobody to tell
                kept.good(now)
                forgetting.good(now)
                forgetting = None if forgetting.is_over else forgetting
            elif kept.is_over:
                kept.good(now)


# --- for the pool's own fault ----------------------------------------------------------------


def test_ten_bad_events_are_a_rejecting_session_however_fast_they_come() -> None:
    conduct = Conduct(TERMS, 0.0)
    for n in range(9):
        conduct.bad(n * 0.1)
    assert not conduct.rejecting(0.8)
    conduct.bad(0.9)
    assert conduct.rejecting(0.9)


def test_bad_events_over_ten_seconds_are_a_rejecting_session_however_few_they_are() -> None:
    conduct = Conduct(TERMS, 0.0)
    conduct.bad(0.0)
    conduct.bad(9.0)
    assert not conduct.rejecting(9.0)
    conduct.bad(10.0)
    assert conduct.rejecting(10.0)


def test_one_bad_share_and_then_silence_is_no_rejecting_session() -> None:
    conduct = Conduct(TERMS, 0.0)
    conduct.bad(0.0)
    assert not any(conduct.rejecting(now) for now in every(1, 0, 100))


def test_a_session_that_had_a_share_accepted_or_fell_silent_is_not_rejecting() -> None:
    conduct = Conduct(TERMS, 0.0)
    steps_at(conduct, every(1, 0, 20))
    assert conduct.rejecting(20.0 + 60.0)
    assert not conduct.rejecting(20.0 + 60.1)
    conduct.good(25.0)
    assert not conduct.rejecting(25.0)


def test_a_session_is_rejecting_before_anything_can_strike_it() -> None:
    for pace_s in (0.01, 0.1, 1.0, 5.0, 20.0, 50.0):
        conduct, now = Conduct(TERMS, 0.0), 0.0
        while conduct.bad(now) is not Step.DROP:
            was_rejecting = conduct.rejecting(now)
            now += pace_s
        assert was_rejecting, pace_s


@pytest.mark.parametrize(
    ("rejecting", "sessions", "at_fault"),
    [
        (0, 0, False),
        (1, 1, False),
        (1, 3, False),  # one bad rig of three is not the pool's fault
        (4, 4, False),
        (5, 5, True),
        (5, 24, True),
        (5, 25, False),  # just 20%
        (20, 100, False),
        (21, 100, True),
        (2001, 10_000, True),
    ],
)
def test_the_pool_is_at_fault_where_over_a_fifth_and_at_least_five_are_rejecting(
    rejecting: int, sessions: int, at_fault: bool
) -> None:
    assert pool_at_fault(rejecting, sessions, TERMS) is at_fault


# --- strikes and bans ------------------------------------------------------------------------


def strike(
    bans: Bans,
    now: float,
    username: str = "acc.rig",
    host_key: str = SITE,
    *,
    address_has_proven: bool = False,
    others_prove: bool = False,
    at_fault: bool = False,
    trusted: bool = False,
) -> Ban | None:
    return bans.strike(
        username,
        host_key,
        now,
        address_has_proven=address_has_proven,
        others_prove=others_prove,
        pool_at_fault=at_fault,
        trusted=trusted,
    )


def test_three_strikes_within_ten_minutes_are_a_ban_for_a_quarter_of_an_hour() -> None:
    bans = Bans(TERMS)
    assert strike(bans, 0.0, address_has_proven=True) is None
    assert strike(bans, 300.0, address_has_proven=True) is None
    assert not bans.is_banned("acc.rig", SITE, 300.0)
    ban = strike(bans, 600.0, address_has_proven=True)
    assert ban == Ban("acc.rig", SITE, 1500.0, of_name=True, of_address=False)
    assert bans.is_banned("acc.rig", SITE, 1499.9)
    assert not bans.is_banned("acc.rig", SITE, 1500.0)


def test_a_strike_just_ten_minutes_old_still_counts() -> None:
    bans = Bans(TERMS)
    assert [bool(strike(bans, now)) for now in (0.0, 0.0, 600.0)] == [False, False, True]


def test_three_strikes_over_more_than_ten_minutes_are_no_ban() -> None:
    bans = Bans(TERMS)
    assert not any(strike(bans, now) for now in every(300.1, 0, 30_000))


def test_a_name_is_banned_at_one_address_only_and_alone() -> None:
    bans = Bans(TERMS)
    for now in (0.0, 1.0, 2.0):
        strike(bans, now, address_has_proven=True)
    assert bans.is_banned("acc.rig", SITE, 2.0)
    assert not bans.is_banned("acc.rig", "192.0.2.2", 2.0)
    assert not bans.is_banned("acc.other", SITE, 2.0)
    assert not bans.address_is_banned(SITE, 2.0)


def test_a_name_under_which_another_session_proves_work_is_not_banned() -> None:
    bans = Bans(TERMS)
    for now in range(10):
        assert strike(bans, now, others_prove=True, address_has_proven=True) is None
    assert not bans.is_banned("acc.rig", SITE, 10.0)


def test_a_name_that_was_spared_is_banned_by_the_next_strike_once_nobody_proves() -> None:
    bans = Bans(TERMS)
    for now in range(3):
        strike(bans, now, others_prove=True, address_has_proven=True)
    assert strike(bans, 590.0, address_has_proven=True) is not None


def test_an_address_without_an_accepted_share_is_banned_whatever_its_names() -> None:
    bans = Bans(TERMS)
    assert strike(bans, 0.0, "a") is None
    assert strike(bans, 1.0, "b") is None
    assert strike(bans, 2.0, "c") == Ban("c", SITE, 902.0, of_name=False, of_address=True)
    assert bans.address_is_banned(SITE, 901.9)
    assert bans.is_banned("whoever", SITE, 901.9)
    assert not bans.address_is_banned(SITE, 902.0)
    assert not bans.address_is_banned("192.0.2.2", 3.0)


def test_name_and_address_can_be_banned_by_one_strike() -> None:
    bans = Bans(TERMS)
    strike(bans, 0.0)
    strike(bans, 1.0)
    assert strike(bans, 2.0) == Ban("acc.rig", SITE, 902.0, of_name=True, of_address=True)
    assert bans.active(2.0) == 2


def test_one_bad_rig_does_not_switch_off_a_site_behind_nat() -> None:
    bans = Bans(TERMS)
    for now in range(50):
        strike(bans, now * 10.0, f"acc.{now % 7}", address_has_proven=True)
    assert not bans.address_is_banned(SITE, 500.0)


def test_a_trusted_address_is_never_banned_but_a_name_at_it_may_be() -> None:
    bans = Bans(TERMS)
    for now in range(3):
        strike(bans, now, trusted=True)
    assert not bans.address_is_banned(SITE, 3.0)
    assert bans.is_banned("acc.rig", SITE, 3.0)


def test_while_the_pool_is_at_fault_nothing_is_a_strike() -> None:
    bans = Bans(TERMS)
    for now in range(100):
        assert strike(bans, now, at_fault=True) is None
    strike(bans, 100.0)
    assert strike(bans, 101.0) is None  # the hundred have left nothing behind
    assert strike(bans, 102.0) is not None


def test_a_session_without_a_name_strikes_only_its_address() -> None:
    bans = Bans(TERMS)
    assert not any(strike(bans, now, "", address_has_proven=True) for now in range(5))
    assert strike(bans, 5.0, "") == Ban("", SITE, 905.0, of_name=False, of_address=True)


def test_a_ban_does_not_prolong_itself() -> None:
    bans = Bans(TERMS)
    ban = [strike(bans, now, address_has_proven=True) for now in (0.0, 1.0, 2.0)][-1]
    assert ban is not None
    for now in every(30, 3, 900):
        assert strike(bans, now, address_has_proven=True) is None
    assert not bans.is_banned("acc.rig", SITE, ban.until)
    # Strikes start from none again.
    assert strike(bans, ban.until, address_has_proven=True) is None
    assert strike(bans, ban.until + 1, address_has_proven=True) is None


def test_bans_in_force_are_counted_until_they_are_over() -> None:
    bans = Bans(TERMS)
    for start in (0.0, 100.0):
        for now in range(3):
            strike(bans, start + now, host_key=f"host {start}", address_has_proven=True)
    assert [bans.active(now) for now in (102.0, 901.9, 902.0, 1001.9, 1002.0)] == [2, 2, 1, 1, 0]


def test_at_most_so_many_bans_are_kept_and_the_oldest_go_first() -> None:
    bans = Bans(replace(TERMS, max_records=5))
    for n in range(8):
        for _ in range(3):
            strike(bans, float(n), host_key=f"host {n}", address_has_proven=True)
    banned = [n for n in range(8) if bans.is_banned("acc.rig", f"host {n}", 8.0)]
    assert banned == [3, 4, 5, 6, 7]
    assert bans.active(8.0) == 5


def test_at_most_so_many_strikes_are_kept_and_the_oldest_go_first() -> None:
    bans = Bans(replace(TERMS, max_records=4))  # two of a name, two of an address
    for host_key in ("old", "old", "a", "b"):
        strike(bans, 0.0, host_key=host_key)
    assert strike(bans, 1.0, host_key="old") is None  # its two are forgotten
    assert strike(bans, 1.0, host_key="b") is None
    assert strike(bans, 1.0, host_key="b") is not None


def test_of_strikes_the_oldest_is_who_was_last_struck_longest_ago() -> None:
    bans = Bans(replace(TERMS, max_records=4))
    for host_key in ("again", "once", "again", "new"):
        assert strike(bans, 0.0, host_key=host_key) is None
    assert strike(bans, 0.0, host_key="again") is not None


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["", "a", "b"]),
            st.sampled_from(["x", "y"]),
            st.booleans(),
            st.booleans(),
            st.booleans(),
            st.booleans(),
            st.sampled_from([0.0, 1.0, 200.0, 301.0, 700.0]),
        ),
        max_size=60,
    ),
    st.integers(1, 6),
)
def test_who_proves_is_trusted_or_meets_a_faulty_pool_is_never_banned(
    strikes: list[tuple[str, str, bool, bool, bool, bool, float]], max_records: int
) -> None:
    bans = Bans(replace(TERMS, max_records=max_records))
    now, counted = 0.0, 0
    for username, host_key, proven, others, at_fault, trusted, wait_s in strikes:
        now += wait_s
        ban = strike(
            bans,
            now,
            username,
            host_key,
            address_has_proven=proven,
            others_prove=others,
            at_fault=at_fault,
            trusted=trusted,
        )
        counted += not at_fault
        if ban is not None:
            assert not at_fault
            assert counted >= TERMS.strikes_to_ban
            assert not (ban.of_address and (proven or trusted))
            assert not (ban.of_name and (others or not username))
            assert bans.is_banned(username, host_key, now)
            assert bans.address_is_banned(host_key, now) == ban.of_address
            assert ban.until == now + TERMS.ban_s
        assert bans.active(now) <= max_records
    assert bans.active(now + TERMS.ban_s) == 0


# --- what may never strike -------------------------------------------------------------------

PACE = st.sampled_from([0.0, 0.1, 5.0, 59.0, 61.0, 4000.0])


@given(st.lists(st.tuples(st.sampled_from(["stale", "accepted"]), PACE), max_size=200))
def test_stale_and_accepted_shares_never_strike(events: list[tuple[str, float]]) -> None:
    """After any one bad event. A stale share is told to nobody: it is as silence."""
    conduct, now = Conduct(TERMS, 0.0), 0.0
    assert conduct.bad(0.0) is Step.NONE
    for kind, wait_s in events:
        now += wait_s
        if kind == "accepted":
            conduct.good(now)
        assert not conduct.rejecting(now)
    assert conduct.bad(now) in (Step.NONE, Step.RESEND)  # two in a minute, at most
    if any(kind == "accepted" for kind, _ in events):
        assert not conduct.rejecting(now)


@given(BURSTS, st.booleans())
def test_no_step_comes_before_its_time_and_none_without_the_evidence(
    bursts: list[tuple[str, int, float]], is_submit: bool
) -> None:
    conduct = Conduct(TERMS, 0.0)
    now, began, last_bad = 0.0, 0.0, float("-inf")
    steps: list[Step] = []
    recent: list[bool] = []  # whether rejected, of the submits
    for letter, count, pace_s in bursts:
        for _ in range(count):
            now += pace_s
            if letter == "g":
                last_bad, steps = float("-inf"), []
                recent.append(False)
                conduct.good(now)
                continue
            if now - last_bad > TERMS.run_gap_s:
                began, steps = now, []
            last_bad = now
            if is_submit:
                recent.append(True)
            step = conduct.bad(now, is_submit=is_submit)
            lasted_s = now - began
            assert step is not Step.RESEND or lasted_s >= TERMS.resend_after_s
            assert step is not Step.RECONNECT or lasted_s >= TERMS.reconnect_after_s
            if step is Step.DROP:
                assert lasted_s >= TERMS.drop_after_s or sum(recent[-50:]) >= 45
                return  # the session is gone
            if step is not Step.NONE:
                steps.append(step)
            assert all(a < b for a, b in pairwise(steps))


def test_strikes_and_bans_outlive_the_process() -> None:
    there, here = Bans(ConductTerms()), Bans(ConductTerms())

    def strikes(bans: Bans, name: str, now: float) -> None:
        bans.strike(
            name,
            "192.0.2.1",
            now,
            address_has_proven=True,
            others_prove=False,
            pool_at_fault=False,
            trusted=False,
        )

    needed = ConductTerms().strikes_to_ban
    for n in range(needed):
        strikes(there, "demo.bad", float(n))
        if n:
            strikes(there, "demo.worse", float(n))
    here.restore(there.state())
    now = float(needed)
    assert here.is_banned("demo.bad", "192.0.2.1", now)
    assert not here.is_banned("demo.worse", "192.0.2.1", now)
    strikes(here, "demo.worse", now)
    assert here.is_banned("demo.worse", "192.0.2.1", now)
    assert here.active(now) == 2
