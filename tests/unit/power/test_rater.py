from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.power.models import MinerModel, MinerModels, load_models
from poolserver.power.rater import (
    LEAST_TOLD,
    MOST_TOLD,
    Identity,
    ModelRule,
    Rater,
    SiteRatings,
    rounded,
)
from poolserver.power.rating import RatingSource

S21 = "Antminer S21 (200 TH/s, 17.5 J/TH)"
RIG = "sahiwal.s19jpro-r7-s1"

RULES = (
    ModelRule(Fraction(20), "of the list", "a", rigs=frozenset({"sahiwal.a1"})),
    ModelRule(Fraction(21), "of the pattern", "b", workers=("a*",)),
    ModelRule(Fraction(22), "of the network", "c", addresses=("10.0.0.0/8",)),
    ModelRule(Fraction(23), "elsewhere", "d", sites=frozenset({"Qasim"}), workers=("q*",)),
)


def rater(
    *rules: ModelRule, pattern: str | None = None, models: MinerModels | None = None
) -> Rater:
    sites = [
        SiteRatings("Sahiwal", Fraction("17.5"), pattern),
        SiteRatings("Qasim", Fraction(19)),
    ]
    return Rater(models or load_models(), rules, sites)


def bin_of(
    th_s: int, j_per_th: int, name: str = "Antminer S21", source: str = "a list"
) -> MinerModel:
    return MinerModel(
        "Bitmain",
        name,
        Fraction(th_s),
        Fraction(th_s * j_per_th),
        Fraction(j_per_th),
        "air",
        source,
    )


def test_nothing_known_is_the_sites_default() -> None:
    rated = rater().rate("Sahiwal", "sahiwal.x", Identity())
    assert rated.rating == (Fraction("17.5"), RatingSource.SITE_DEFAULT, "")
    assert rater().rate("Qasim", "qasim.x", Identity()).rating.j_per_th == 19


def test_the_best_source_that_there_is_tells() -> None:
    """Each of them in turn, as the better ones are taken away."""
    known = Identity(
        address="10.0.0.7",
        user_agent="Antminer S19 XP/1.0",
        watts=3500,
        j_per_th=Fraction("18.2"),
        th_s=Fraction(200),
        telemetry=Fraction("16.93"),
    )
    by_all = rater(*RULES, pattern="{model}-{rack}-{slot}")
    by_rig = rater(pattern="{model}-{rack}-{slot}")
    by_default = rater()

    def told(who: Rater, identity: Identity) -> tuple[float, str]:
        rating = who.rate("Sahiwal", RIG, identity).rating
        return float(rating.j_per_th), rating.source.label

    assert told(by_all, known) == (16.9, "telemetry")
    known = known._replace(telemetry=None)
    assert told(by_all, known) == (22.0, "operator")
    assert told(by_rig, known) == (18.2, "hint")
    known = known._replace(j_per_th=None)
    assert told(by_rig, known) == (17.5, "hint")  # 3500 W / 200 TH/s
    known = known._replace(watts=None)
    assert told(by_rig, known) == (29.5, "name rule")
    assert told(by_default, known) == (21.5, "identity")
    assert told(by_default, known._replace(user_agent="")) == (17.5, "site default")


def test_every_source_has_a_place_in_the_order() -> None:
    assert sorted(RatingSource) == list(RatingSource)
    assert len(RatingSource) == 6


def test_the_operators_list_beats_a_pattern_and_a_pattern_a_network() -> None:
    by_rules, at = rater(*RULES), Identity(address="10.0.0.7")
    assert by_rules.rate("Sahiwal", "sahiwal.a1", at).rating.model == "of the list"
    assert by_rules.rate("Sahiwal", "sahiwal.a2", at).rating.model == "of the pattern"
    assert by_rules.rate("Sahiwal", "sahiwal.b", at).rating.model == "of the network"
    assert by_rules.rate("Sahiwal", "sahiwal.a1", at).basis == "a"


def test_a_rule_of_one_site_says_nothing_of_another() -> None:
    by_rules = rater(*RULES)
    assert by_rules.rate("Qasim", "qasim.q1", Identity()).rating.model == "elsewhere"
    assert by_rules.rate("Sahiwal", "sahiwal.q1", Identity()).rating.model == ""


def test_hardware_is_nearer_to_the_truth_than_firmware() -> None:
    identity = Identity(user_agent="Antminer S19 XP/1.0", hardware="Antminer S21; 1.0")
    rated = rater().rate("Sahiwal", "sahiwal.x", identity)
    assert rated.rating == (Fraction("17.5"), RatingSource.IDENTITY, S21)
    assert rated.basis == "published list, not checked against the maker"


@pytest.mark.parametrize("user_agent", ["cgminer/4.11.1", "whatsminer/v1.0", "NiceHash/1.0.0"])
def test_a_family_of_firmware_is_no_model(user_agent: str) -> None:
    rated = rater().rate(
        "Sahiwal", "sahiwal.x", Identity(user_agent=user_agent, th_s=Fraction(200))
    )
    assert rated.rating.source is RatingSource.SITE_DEFAULT


def test_of_several_bins_the_hashrate_picks_one() -> None:
    bins = MinerModels([bin_of(188, 18), bin_of(200, 17, source="the maker")])
    who, said = rater(models=bins), Identity(user_agent="Antminer S21/1.0")
    unknown = who.rate("Sahiwal", "sahiwal.x", said)
    assert unknown.asks_hashrate
    assert unknown.rating.model == "Antminer S21 (188 to 200 TH/s)"
    assert unknown.rating.j_per_th == Fraction("17.5")
    assert unknown.basis == "a list; the maker"
    for th_s, model, basis in ((190, "188 TH/s, 18", "a list"), (230, "200 TH/s, 17", "the maker")):
        rated = who.rate("Sahiwal", "sahiwal.x", said._replace(th_s=Fraction(th_s)))
        assert rated.rating.model == f"Antminer S21 ({model} J/TH)"
        assert rated.basis == basis


def test_watts_without_a_hashrate_ask_for_one() -> None:
    waiting = rater().rate("Sahiwal", "sahiwal.x", Identity(watts=3010))
    assert waiting.asks_hashrate
    assert waiting.rating.source is RatingSource.SITE_DEFAULT
    measured = rater().rate("Sahiwal", "sahiwal.x", Identity(watts=3010, th_s=Fraction(141)))
    assert measured.asks_hashrate  # it may run at another power tomorrow
    assert measured.rating == (Fraction("21.5"), RatingSource.HINT, "")


def test_a_rig_that_says_it_takes_next_to_nothing_is_not_believed() -> None:
    for identity in (
        Identity(j_per_th=Fraction("0.001")),
        Identity(watts=1, th_s=Fraction(200)),
        Identity(j_per_th=LEAST_TOLD - Fraction(1, 1000)),
    ):
        assert rater().rate("Sahiwal", "s.x", identity).rating.source is RatingSource.SITE_DEFAULT


def test_what_a_rig_cannot_draw_is_not_believed() -> None:
    """It would be over its site's limit by itself, and in the books for ever."""
    most = MOST_TOLD * Fraction("17.5")
    for identity in (
        Identity(j_per_th=most + 1),
        Identity(watts=10**9, th_s=Fraction(200)),
        Identity(telemetry=Fraction(10**9)),
    ):
        assert rater().rate("Sahiwal", "s.x", identity).rating.source is RatingSource.SITE_DEFAULT
    assert rater().rate("Sahiwal", "s.x", Identity(j_per_th=most)).rating.j_per_th == most


@given(st.fractions(LEAST_TOLD, 10**9))
def test_what_is_rounded_is_off_by_little_and_stays_so(j_per_th: Fraction) -> None:
    told = rounded(j_per_th, Fraction(1, 10))
    assert abs(told - j_per_th) <= j_per_th / 20
    if j_per_th < 1000:
        assert abs(told - j_per_th) <= j_per_th / 100
    assert rounded(told, Fraction(1, 10)) == told


def test_what_rigs_can_say_are_less_than_2500_figures() -> None:
    step = Fraction(1, 10)
    told = {rounded(Fraction(n, 20), step) for n in range(100, 20_000)}
    told |= {rounded(Fraction(n) * 10**e, step) for n in range(100, 1000) for e in range(1, 7)}
    assert len(told) + 90 < 2500  # those of the last decade
    assert rounded(Fraction(10**9), step) == 10**9


@given(
    st.builds(
        Identity,
        address=st.text(max_size=20) | st.just("10.0.0.1"),
        user_agent=st.text(max_size=40),
        hardware=st.text(max_size=40),
        watts=st.none() | st.integers(1, 10**9),
        j_per_th=st.none() | st.fractions(0, 10**9).filter(bool),
        th_s=st.none() | st.fractions(0, 10**6).filter(bool),
    ),
    st.text(max_size=40),
)
def test_whatever_a_rig_tells_it_has_a_rating_above_zero(identity: Identity, name: str) -> None:
    rated = rater(*RULES, pattern="{model}-{rack}").rate("Sahiwal", name, identity)
    assert rated.rating.j_per_th > 0
    assert rated.basis
