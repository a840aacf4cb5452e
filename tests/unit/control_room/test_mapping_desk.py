"""Where rigs are as people say it: what holds, what is refused, and what outlives a restart."""

from collections.abc import AsyncIterator, Callable
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from poolserver.control_room import mapping_desk
from poolserver.control_room.mapping_desk import MappingDesk, MappingError, UnknownMappingError
from poolserver.ledger.database import StoreError
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.ledger.store import LedgerStore
from poolserver.ledger.totals import WorkerKey, site_lookup
from poolserver.power.models import load_models
from poolserver.power.places import NodeRules, Places, SitePlaces
from poolserver.power.rater import Rater, SiteRatings
from poolserver.power.rating import Place, Rating
from poolserver.power.rig_book import RigBook
from poolserver.power.tree import PowerNode, PowerTree

NOW_S = 1_800_000_000.0
NODES = [
    PowerNode("Sahiwal", "site"),
    PowerNode("Sahiwal/T1", "transformer"),
    PowerNode("Sahiwal/T2", "transformer"),
    PowerNode("Hub", "site"),
    PowerNode("Hub/T1", "transformer"),
]


class Site:
    def place_of(self, rating: Rating, node: str) -> Place:
        return Place(node, rating, rating.j_per_th)


class Flaky(LedgerStore):
    is_away = False

    async def write(self, work: Callable[[Any], Any]) -> Any:
        if self.is_away:
            raise StoreError("the store", "is away")
        return await super().write(work)


class Hall(NamedTuple):
    """A desk, and what it works on."""

    desk: MappingDesk
    rigs: RigBook
    tree: PowerTree
    store: Flaky

    def node_of(self, worker: str) -> str:
        """Where its next share is booked."""
        account = worker.partition(".")[0]
        site = {"sahiwal": "Sahiwal", "hub": "Hub"}.get(account, "unassigned")
        place = self.rigs.place_of(WorkerKey(site, account, worker))
        assert place is not None
        return place.node

    async def take(self, **moves: str | None) -> None:
        said = {worker.replace("_", "."): node for worker, node in moves.items()}
        await self.desk.take(said, "token:ops", lambda node: None)


async def hall(store: Flaky) -> Hall:
    tree = PowerTree(NODES)
    rules = (NodeRules("Sahiwal/T1", workers=("a*",)), NodeRules("Sahiwal/T2"))
    pattern = "{container}-{rack}-{slot}"
    rigs = RigBook(
        Places(tree, [SitePlaces("Sahiwal", rules, pattern), SitePlaces("Hub")]),
        Rater(load_models(), (), [SiteRatings(name, Fraction(20)) for name in ("Sahiwal", "Hub")]),
        {"Sahiwal": Site(), "Hub": Site()},
    )
    site_of = site_lookup({"Sahiwal": ["sahiwal"], "Hub": ["hub"]})
    desk = MappingDesk(rigs, tree, store, site_of, lambda: NOW_S)
    await store.read(desk.load)
    return Hall(desk, rigs, tree, store)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Flaky]:
    store = Flaky(SqliteDatabase(tmp_path / "ledger.sqlite"))
    await store.open()
    yield store
    await store.close()


@pytest.fixture
async def here(store: Flaky) -> Hall:
    return await hall(store)


async def test_a_word_holds_over_the_rules_from_the_next_share_on(here: Hall) -> None:
    assert here.node_of("sahiwal.a1") == "Sahiwal/T1"
    await here.take(sahiwal_a1="Sahiwal/T2")
    assert here.node_of("sahiwal.a1") == "Sahiwal/T2"
    assert here.node_of("sahiwal.a2") == "Sahiwal/T1"
    await here.desk.take_back("sahiwal.a1", "token:ops", lambda node: None)
    assert here.node_of("sahiwal.a1") == "Sahiwal/T1"
    with pytest.raises(UnknownMappingError):
        await here.desk.take_back("sahiwal.a1", "token:ops", lambda node: None)


async def test_it_outlives_a_restart_and_so_does_the_rack_that_only_names_had_made(
    here: Hall, store: Flaky
) -> None:
    assert here.node_of("sahiwal.x-r7-1") == "Sahiwal/x/r7"
    await here.take(sahiwal_a1="Sahiwal/x/r7", sahiwal_a2="Sahiwal/T2")
    await here.take(sahiwal_a2=None)
    after = await hall(store)
    assert after.node_of("sahiwal.a1") == "Sahiwal/x/r7"
    assert after.node_of("sahiwal.a2") == "Sahiwal/T1"
    assert [(each.kind, each.is_configured) for each in after.tree.lineage("Sahiwal/x/r7")[:2]] == [
        ("rack", False),
        ("container", False),
    ]
    ((word, holds),) = after.desk.page(10, None)
    assert (word.node, word.taken_at_ms, word.issued_by) == (
        "Sahiwal/x/r7",
        int(NOW_S * 1000),
        "token:ops",
    )
    assert holds


@pytest.mark.parametrize(
    ("worker", "node"),
    [
        ("sahiwal.a1", "Sahiwal/T9"),
        ("sahiwal.a1", "Hub/T1"),
        ("sahiwal.a1", "/"),
        ("hub.a1", "Sahiwal"),
        ("nobody.a1", "Sahiwal/T1"),
        ("nobody.a1", "unassigned"),
        ("sahiwal.\0", "Sahiwal/T1"),
        ("sahiwal.\ud800", "Sahiwal/T1"),
        ("sahiwal." + "x" * 200, "Sahiwal/T1"),
    ],
)
async def test_a_rig_stays_within_the_site_of_its_account(
    here: Hall, worker: str, node: str
) -> None:
    with pytest.raises(MappingError):
        await here.desk.take({"sahiwal.b1": "Sahiwal/T2", worker: node}, "x", lambda node: None)
    assert not len(here.desk)
    assert here.node_of("sahiwal.b1") == "Sahiwal"


async def test_of_many_at_once_none_holds_where_the_database_takes_none(here: Hall) -> None:
    here.store.is_away = True
    with pytest.raises(StoreError):
        await here.take(sahiwal_a1="Sahiwal/T2", sahiwal_a2="Sahiwal/T2")
    assert not len(here.desk)
    assert here.node_of("sahiwal.a1") == "Sahiwal/T1"


async def test_whoever_says_so_is_to_speak_for_where_it_comes_from_and_where_it_goes(
    here: Hall,
) -> None:
    asked: list[str] = []
    await here.desk.take({"sahiwal.a1": "Sahiwal/T2"}, "x", asked.append)
    assert asked == ["Sahiwal/T1", "Sahiwal/T2"]
    asked.clear()
    await here.desk.take_back("sahiwal.a1", "x", asked.append)
    assert set(asked) == {"Sahiwal/T1", "Sahiwal/T2"}

    def refuse(node: str) -> None:
        raise PermissionError(node)

    with pytest.raises(PermissionError):
        await here.desk.take({"sahiwal.a1": "Sahiwal/T2"}, "x", refuse)
    with pytest.raises(PermissionError):
        await here.desk.take_back("sahiwal.a1", "x", refuse)


async def test_to_be_asked_of_a_rig_makes_no_node(here: Hall) -> None:
    nodes = len(here.tree)
    await here.take(**{"sahiwal_y-r1-1": "Sahiwal/T2", "sahiwal_z-r1-1": None})
    assert len(here.tree) == nodes


async def test_there_are_so_many_words_at_the_most(
    here: Hall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapping_desk, "MAX_MAPPINGS", 2)
    await here.take(sahiwal_a1="Sahiwal/T2", sahiwal_a2="Sahiwal/T2")
    with pytest.raises(MappingError):
        await here.take(sahiwal_a3="Sahiwal/T2")
    await here.take(sahiwal_a1="Sahiwal", sahiwal_a2=None)
    await here.take(sahiwal_a3="Sahiwal/T2")


async def test_pages_go_by_the_names(here: Hall) -> None:
    await here.take(**{f"sahiwal_{name}": "Sahiwal/T2" for name in "dbca"})
    await here.take(sahiwal_b=None, sahiwal_c="Sahiwal/T1")
    first = here.desk.page(2, None)
    assert [each.word.worker for each in first] == ["sahiwal.a", "sahiwal.c"]
    (last,) = here.desk.page(2, "sahiwal.c")
    assert (last.word.worker, last.holds) == ("sahiwal.d", True)


async def test_a_word_on_a_node_that_is_gone_does_not_hold(here: Hall, store: Flaky) -> None:
    await here.take(sahiwal_a1="Sahiwal/T2")
    NODES.remove(gone := PowerNode("Sahiwal/T2", "transformer"))
    try:
        tree = PowerTree(NODES)
    finally:
        NODES.insert(2, gone)
    places = Places(tree, [SitePlaces("Sahiwal")])
    places.restore(here.rigs.places.mappings.values())
    assert places.node_of("Sahiwal", "sahiwal.a1") == "Sahiwal"
    assert places.node_of("Hub", "sahiwal.a1") == "Hub"
