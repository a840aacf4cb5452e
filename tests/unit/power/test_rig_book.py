from dataclasses import replace
from fractions import Fraction
from threading import Thread

import pytest

from poolserver.ledger.totals import WorkerKey
from poolserver.power import rig_book
from poolserver.power.models import load_models
from poolserver.power.places import NodeRules, Places, SitePlaces
from poolserver.power.rater import Identity, Rater, SiteRatings
from poolserver.power.rating import Place, Rating, RatingSource
from poolserver.power.rig_book import KnownRig, RigBook, SavedRig
from poolserver.power.tree import PowerNode, PowerTree
from tests.unit.power.rig_news import News


class Site:
    """Without PUE."""

    def place_of(self, rating: Rating, node: str) -> Place:
        return Place(node, rating, rating.j_per_th)


def key(worker: str = "sahiwal.a1", site: str = "Sahiwal") -> WorkerKey:
    return WorkerKey(site, worker.partition(".")[0], worker)


def new_book(max_names: int = 10) -> RigBook:
    tree = PowerTree([PowerNode("Sahiwal", "site"), PowerNode("Sahiwal/T1", "transformer")])
    rules = (NodeRules("Sahiwal/T1", addresses=("10.0.0.0/8",)),)
    return RigBook(
        Places(tree, [SitePlaces("Sahiwal", rules)]),
        Rater(load_models(), (), [SiteRatings("Sahiwal", Fraction("17.5"))]),
        {"Sahiwal": Site()},
        max_names,
    )


@pytest.fixture
def book() -> RigBook:
    return new_book()


def told(book: RigBook, worker: str = "sahiwal.a1") -> tuple[str, float, RatingSource]:
    place = book.place_of(key(worker))
    assert place is not None
    return place.node, float(place.rating.j_per_th), place.rating.source


def test_work_of_a_rig_that_told_nothing_yet_is_booked_by_its_name(book: RigBook) -> None:
    assert told(book) == ("Sahiwal", 17.5, RatingSource.SITE_DEFAULT)


def test_a_site_that_is_not_configured_has_no_places(book: RigBook) -> None:
    assert book.place_of(key(site="unassigned")) is None
    assert book.place_of(WorkerKey("unassigned", "", "")) is None
    assert len(book) == 0


def test_what_a_rig_tells_changes_where_its_later_work_is_booked(book: RigBook) -> None:
    before = book.place_of(key())
    book.take(News(), 1000)
    assert told(book) == ("Sahiwal/T1", 17.5, RatingSource.SITE_DEFAULT)
    book.take(News(hardware="Antminer S19 XP"), 2000)
    assert told(book) == ("Sahiwal/T1", 21.5, RatingSource.IDENTITY)
    assert before == Place("Sahiwal", before.rating, Fraction("17.5"))  # type: ignore[union-attr]


def test_the_same_place_is_the_same_object(book: RigBook) -> None:
    places = [book.place_of(key(f"sahiwal.{n}")) for n in range(5)]
    assert len({id(place) for place in places}) == 1
    book.take(News(hardware="Antminer S21"), 0)
    book.take(News("sahiwal.a2", hardware="Antminer S21"), 0)
    assert book.place_of(key("sahiwal.a2")) is book.place_of(key())


def test_who_goes_keeps_what_it_told(book: RigBook) -> None:
    book.take(News(hardware="Antminer S19 XP"), 1000)
    before = book.place_of(key())
    book.take(News(address="", user_agent="", sessions=0, share_work=0.0), 2000)
    assert book.place_of(key()) is before
    rig = book.known("sahiwal.a1")
    assert rig is not None
    assert (rig.sessions, rig.identity.hardware) == (0, "Antminer S19 XP")


def test_rows_are_of_connected_rigs_that_have_proven_work(book: RigBook) -> None:
    book.take(News(), 0)
    assert book.rows() == []
    place = book.place_of(key())
    book.place_of(key("sahiwal.of-the-journal"))
    assert place is not None
    assert book.rows() == [("sahiwal.a1", "Sahiwal/T1", place.rating)]
    assert [rig.worker for rig in book.rigs_at("Sahiwal/T1")] == ["sahiwal.a1"]
    assert list(book.rigs_at("Sahiwal")) == []
    book.take(News(hardware="Antminer S21"), 0)
    assert len(book.rows()) == 1  # where it was, until its next share
    book.take(News(sessions=0), 0)
    assert book.rows() == []


def test_a_rigs_own_report_comes_before_all(book: RigBook) -> None:
    book.take(News(j_per_th="20"), 0)
    assert told(book)[1:] == (20.0, RatingSource.HINT)
    book.report("sahiwal.a1", Fraction("19.32"))
    assert told(book)[1:] == (19.3, RatingSource.TELEMETRY)
    book.report("sahiwal.a1", None)
    assert told(book)[1:] == (20.0, RatingSource.HINT)
    book.report("sahiwal.nobody", Fraction(1))


class Hashrates:
    """What meters show, and who was asked for."""

    def __init__(self, th_s: float | None) -> None:
        self.th_s = None if th_s is None else Fraction(th_s)
        self.asked: list[str] = []

    def __call__(self, rig: KnownRig) -> Fraction | None:
        self.asked.append(rig.worker)
        return self.th_s


def test_only_those_are_measured_whom_it_tells_more_of(book: RigBook) -> None:
    for news in (News(watts=3500), News("sahiwal.a2"), News("sahiwal.a3", watts=3500)):
        book.take(news, 0)
    book.place_of(key())
    book.place_of(key("sahiwal.a2"))
    hashrates = Hashrates(None)
    book.measure(book.asking(), hashrates)
    assert hashrates.asked == ["sahiwal.a1"]  # the third has proven nothing
    assert told(book)[2] is RatingSource.SITE_DEFAULT


def test_a_measured_hashrate_is_kept_until_it_is_off_by_more_than_luck(book: RigBook) -> None:
    book.take(News(watts=3500), 0)
    book.place_of(key())
    rates = []
    for th_s in (200, 215, 186, 140, 139):
        book.measure(book.asking(), Hashrates(th_s))
        rates.append(told(book)[1])
    assert rates == [17.5, 17.5, 17.5, 25.0, 25.0]


def test_names_are_bounded_and_who_left_first_goes_first() -> None:
    book = new_book(max_names=3)
    for n in range(3):
        book.take(News(f"sahiwal.{n}"), n)
    book.take(News("sahiwal.1", sessions=0), 5)
    book.take(News("sahiwal.0", sessions=0), 6)
    book.take(News("sahiwal.3"), 7)
    assert book.known("sahiwal.1") is None
    book.place_of(key("sahiwal.4"))
    assert [rig is None for rig in map(book.known, ("sahiwal.0", "sahiwal.4"))] == [True, False]
    assert len(book) == 3


def test_where_all_are_connected_a_new_name_is_booked_but_not_kept() -> None:
    book = new_book(max_names=2)
    for n in range(2):
        book.take(News(f"sahiwal.{n}"), 0)
    book.take(News("sahiwal.made-up"), 0)
    assert told(book, "sahiwal.made-up")[0] == "Sahiwal"
    assert book.known("sahiwal.made-up") is None
    assert len(book) == 2


def test_hints_cannot_make_places_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rig_book, "MAX_PLACES", 5)
    book = new_book()
    for n in range(100):
        book.take(News(j_per_th=f"{20 + n}"), 0)
        book.place_of(key())
    assert len(book._interned) <= 5


def test_what_changed_is_saved_once_and_taken_up_again(book: RigBook) -> None:
    book.take(News(watts=3500), 1234)
    book.place_of(key())
    book.measure(book.asking(), Hashrates(200))
    saved = book.take_unsaved()
    identity = Identity("10.0.0.1", "cgminer/4.11.1", "", 3500, None, Fraction(200))
    assert saved == [SavedRig("sahiwal.a1", "sahiwal", identity, 1234)]
    assert book.take_unsaved() == []
    book.put_back(saved)
    assert book.take_unsaved() == saved

    again = new_book()
    again.restore(saved)
    assert told(again) == told(book) == ("Sahiwal/T1", 17.5, RatingSource.HINT)
    assert again.take_unsaved() == []
    assert again.rows() == []  # it is not connected


def test_a_hint_in_a_fraction_is_read_as_it_was_sent(book: RigBook) -> None:
    book.take(News(j_per_th="35/2"), 0)
    assert told(book)[1] == 17.5


def test_news_while_a_place_is_looked_up_is_not_lost() -> None:
    """The fold's thread and the loop's at once: what was told last is what holds."""
    book = new_book(max_names=100)
    names = [f"sahiwal.{n}" for n in range(50)]

    def fold() -> None:
        for _ in range(50):
            for name in names:
                book.place_of(key(name))

    thread = Thread(target=fold)
    thread.start()
    for n in range(50):
        for name in names:
            book.take(replace(News(name), j_per_th=str(20 + n)), n)
    thread.join()
    for name in names:
        assert told(book, name) == ("Sahiwal/T1", 69.0, RatingSource.HINT)
