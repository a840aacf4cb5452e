"""Where rigs are, by HTTP."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence

import pytest

from poolserver.api.mappings import mapping_endpoints
from poolserver.control_room.mapping_desk import MappingError, Placed, UnknownMappingError
from poolserver.ledger.database import StoreError
from poolserver.power.places import MappingWord
from tests.unit.api.asking import Asker, serving, token


class Desk:
    """Rigs are at S/T1 unless it was said; at nowhere they cannot be, and full it cannot write."""

    def __init__(self) -> None:
        self.words: dict[str, str] = {}

    async def take(
        self, moves: Mapping[str, str | None], by: str, check_node: Callable[[str], None]
    ) -> None:
        assert by.startswith("token:")
        for worker, node in moves.items():
            check_node(self.words.get(worker, "S/T1"))
            check_node(node or "S/T1")
            if node == "S/nowhere":
                raise MappingError("there is no such node")
            if node == "S/full":
                raise StoreError("the database", "is full of secrets")
        self.words |= {worker: node or "" for worker, node in moves.items()}

    async def take_back(self, worker: str, by: str, check_node: Callable[[str], None]) -> None:
        if worker not in self.words:
            raise UnknownMappingError("none")
        await self.take({worker: None}, by, check_node)
        del self.words[worker]

    def page(self, limit: int, after: str | None) -> Sequence[Placed]:
        return [
            Placed(MappingWord(worker, node, 5000, issued_by="token:all"), True)
            for worker, node in sorted(self.words.items())
            if after is None or worker > after
        ][:limit]

    def __len__(self) -> int:
        return len(self.words)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
async def ask(desk: Desk) -> AsyncIterator[Asker]:
    tokens = [
        token("all", "mapping"),
        token("t1", "mapping", nodes=["S/T1"]),
        token("budget", "budget"),
    ]
    async with serving(mapping_endpoints(desk), tokens) as asker:
        yield asker


async def test_a_rig_is_moved_and_moved_back(ask: Asker, desk: Desk) -> None:
    assert (await ask("PUT", "/mappings/s.a1", "all", {"node": "S/T2"})).status == 204
    assert desk.words == {"s.a1": "S/T2"}
    assert (await ask("PUT", "/mappings/s.a%2F1 ä", "all", {"node": "S/T2"})).status == 204
    assert "s.a/1 ä" in desk.words
    assert (await ask("DELETE", "/mappings/s.a1", "all")).status == 204
    assert (await ask("DELETE", "/mappings/s.a1", "all")).code == "not_found"


async def test_pages_show_each_word_once(ask: Asker, desk: Desk) -> None:
    desk.words = {f"s.a{number}": "S/T2" for number in range(5)}
    seen, path = [], "/mappings?limit=2"
    while path:
        page = (await ask("GET", path)).body
        assert page["total"] == 5
        seen += [line["worker"] for line in page["items"]]
        path = page["next"] and f"/mappings?limit=2&cursor={page['next']}"
    assert seen == sorted(desk.words)
    assert page["items"][0] == {
        "worker": "s.a4",
        "node": "S/T2",
        "at": 5.0,
        "by": "token:all",
        "holds": True,
    }


async def test_many_are_moved_at_once_or_none(ask: Asker, desk: Desk) -> None:
    moves = [{"worker": "s.a1", "node": "S/T2"}, {"worker": "s.a2", "node": None}]
    assert (await ask("POST", "/mappings", "all", moves)).status == 204
    assert desk.words == {"s.a1": "S/T2", "s.a2": ""}
    desk.words.clear()
    moves.append({"worker": "s.a3", "node": "S/nowhere"})
    assert (await ask("POST", "/mappings", "all", moves)).code == "refused"
    assert desk.words == {}
    names = "x" * 150
    thousand = [{"worker": f"s.{names}{number}", "node": "S/T2"} for number in range(1000)]
    assert (await ask("POST", "/mappings", "all", thousand)).status == 204
    assert (await ask("POST", "/mappings", "all", [*thousand, moves[0]])).code == "refused"


@pytest.mark.parametrize(
    "body",
    [
        {},
        [{"worker": "s.a1"}],
        [{"worker": "s.a1", "node": "S", "site": "S"}],
        [{"worker": "", "node": "S"}],
        [{"worker": "s.a1", "node": "S"}, {"worker": "s.a1", "node": "S"}],
        b"[",
        b'[{"worker": "\\ud800", "node": "S"}]',
        b"[" * 100_000,
    ],
)
async def test_what_makes_no_sense_is_refused(ask: Asker, desk: Desk, body: object) -> None:
    assert (await ask("POST", "/mappings", "all", body)).code == "refused"
    assert (await ask("PUT", "/mappings/s.a1", "all", b"[]")).code == "refused"
    assert desk.words == {}


async def test_a_token_is_to_speak_for_both_places(ask: Asker, desk: Desk) -> None:
    assert (await ask("PUT", "/mappings/s.a1", "t1", {"node": "S/T1/r1"})).status == 204
    assert (await ask("PUT", "/mappings/s.a1", "t1", {"node": "S/T2"})).code == "not_for_this"
    desk.words["s.a1"] = "S/T2"
    assert (await ask("PUT", "/mappings/s.a1", "t1", {"node": "S/T1"})).code == "not_for_this"
    assert (await ask("DELETE", "/mappings/s.a1", "t1")).code == "not_for_this"
    for method, path in (("PUT", "/mappings/s.a1"), ("POST", "/mappings")):
        assert (await ask(method, path, "budget")).code == "not_for_this"
        assert (await ask(method, path)).code == "token_needed"


async def test_what_cannot_be_written_down_is_not_done(ask: Asker, desk: Desk) -> None:
    answer = await ask("PUT", "/mappings/s.a1", "all", {"node": "S/full"})
    assert (answer.status, answer.code) == (500, "not_recorded")
    assert "secrets" not in str(answer.body)
    assert desk.words == {}
