"""What commands show of a running pool: status, sites, workers, blocks, events."""

import json
import re
from typing import Any

import msgspec
import pytest

from poolserver.api.overview import Level
from poolserver.commands import events, workers
from poolserver.commands.client import AskError, Pool
from poolserver.commands.common import EXIT_NOT_REACHED
from poolserver.control_room.view import PowerView
from poolserver.lookout import rig_index
from poolserver.lookout.view import Reload, RigLine, Status, Trouble
from tests.unit.commands.conftest import Ask
from tests.unit.commands.fake_pool import FakePool, a_rig, a_site, a_status, an_event
from tests.unit.lookout.seen import node

SCREENS = (["status"], ["sites"], ["workers"], ["blocks"], ["events"])
ESCAPE = "\x1b"


@pytest.mark.parametrize("command", SCREENS, ids=" ".join)
@pytest.mark.parametrize("columns", [80, 160])
def test_no_line_is_wider_than_the_terminal(ask: Ask, command: list[str], columns: int) -> None:
    shown = ask(*command, columns=columns)
    assert shown.exit_code == 0, shown.output
    assert max(map(len, shown.stdout.splitlines())) <= columns


@pytest.mark.parametrize("command", SCREENS, ids=" ".join)
def test_what_is_no_terminal_gets_text_alone(ask: Ask, command: list[str]) -> None:
    assert ESCAPE not in ask(*command, columns=None).stdout


def test_a_pipe_gets_all_columns(ask: Ask) -> None:
    assert "address" in ask("workers", columns=None).stdout
    assert "wider terminal" in ask("workers", columns=80).stdout


def test_troubles_come_first_the_urgent_ones_before_the_others(pool: FakePool, ask: Ask) -> None:
    pool.answers["status"] = a_status(
        Trouble("rigs_silent", "7 rigs are silent: look at them.", False),
        Trouble("over_budget", "Sahiwal is over its limit: curtail.", True),
    )
    lines = ask("status").stdout.splitlines()
    assert lines[1].startswith("!! over_budget Sahiwal is over its limit: curtail.")
    assert lines[2].startswith("!  rigs_silent 7 rigs")


def test_no_trouble_is_said_in_a_word(ask: Ask) -> None:
    assert "all is well" in ask("status").stdout


def test_status_tells_power_against_budget_and_who_binds(ask: Ask) -> None:
    text = ask("status", columns=160).stdout
    assert "1.310 ±0.004 GW of 1.32 GW, 10.0 MW free; grid (evening peak) binds; of it AI" in text
    for site in ("Sahiwal", "Port Qasim"):
        assert re.search(rf"{site}.*1\.32 GW.*10\.0 MW.*grid \(evening peak\)", text)


def test_what_would_be_done_breaks_between_words_and_does_nothing_to_a_terminal(
    pool: FakePool, ask: Ask
) -> None:
    told = f"would shed 24 rigs, 77.2 kW, of 2 racks in container c01: by{ESCAPE}[2J ops"
    pool.answers["power"] = PowerView(0.0, "observe", "over", (node(path="/"),), (told,))
    lines = ask("power", "status", columns=40).stdout.splitlines()
    assert lines[-2].rstrip() == "would shed 24 rigs, 77.2 kW, of 2 racks"
    assert lines[-1].startswith("in container c01: by")
    assert ESCAPE not in "".join(lines)


def test_status_tells_of_the_last_reload(pool: FakePool, ask: Ask) -> None:
    assert "2027-01-15 07:00:00 UTC, good" in ask("status").stdout
    failed = Reload(0.0, False, "port taken")
    pool.answers["status"] = msgspec.structs.replace(a_status(), last_reload=failed)
    assert "FAILED: port taken; the old one holds" in ask("status").stdout


def test_a_pool_that_has_just_begun_is_shown_too(pool: FakePool, ask: Ask) -> None:
    empty: Status = msgspec.structs.replace(
        a_status(),
        last_reload=None,
        rejects=None,
        template=None,
        luck=None,
        power=None,
        blocks={},
    )
    pool.answers |= {"status": empty, "sites": [], "nodes": []}
    text = ask("status").stdout
    assert "not known yet" in text
    assert "none yet" in text


def test_json_has_what_the_screen_is_made_of(ask: Ask) -> None:
    found = json.loads(ask("status", "--json").stdout)
    assert found["status"]["instance_id"] == "pool-1"
    assert [site["name"] for site in found["sites"]] == ["Sahiwal", "Port Qasim"]


def test_workers_asks_as_it_is_told(pool: FakePool, ask: Ask) -> None:
    told = (
        "r01",
        "--site",
        "Sahiwal",
        "--node",
        "Sahiwal/T1",
        "--state",
        "silent",
        "--sort",
        "power",
    )
    ask("workers", *told, "--limit", "7")
    assert pool.asked == [
        (
            "rigs",
            {
                "limit": "7",
                "q": "r01",
                "site": "Sahiwal",
                "node": "Sahiwal/T1",
                "state": "silent",
                "sort": "power",
            },
        )
    ]


def test_workers_are_limited_or_all(pool: FakePool, ask: Ask) -> None:
    assert "25 more: --limit, --all or FIND" in ask("workers", "--limit", "5").stdout
    found = msgspec.json.decode(ask("workers", "--all", "--json").stdout, type=list[RigLine])
    assert found == pool.lists["rigs"]


def test_sorts_states_and_levels_are_those_of_the_api(ask: Ask) -> None:
    assert set(workers.SORTS) == set(rig_index.SORTS)
    assert set(workers.STATES) == set(rig_index.STATES)
    assert Level.__args__ == events.LEVELS  # type: ignore[attr-defined]
    assert ask("workers", "--sort", "luck").exit_code == 2


def test_what_rigs_call_themselves_does_nothing_to_a_terminal(pool: FakePool, ask: Ask) -> None:
    evil = "[bold]x\x1b[2J\x07\u202e\x9b31m"
    pool.lists["rigs"] = [msgspec.structs.replace(a_rig(1), worker=evil, model=evil, node=evil)]
    pool.lists["events"] = [msgspec.structs.replace(an_event(1), event=evil, fields={evil: evil})]
    pool.answers["sites"] = [a_site(evil)]
    shown = (["workers"], ["events"], ["sites"], ["status"])
    for command in (*shown, *([*each, "--json"] for each in shown)):
        text = ask(*command, columns=250).stdout
        assert "[bold]x" in text
        assert not {each for each in text if not each.isprintable()} - {"\n"}


def test_what_a_server_says_that_is_no_pool_does_nothing_to_a_terminal(
    pool: FakePool, ask: Ask
) -> None:
    refused = {"title": "", "detail": "x\x1b]52;c;eA==\x07"}
    for status, body in [
        (422, msgspec.json.encode(refused)),
        (422, msgspec.json.encode({"errors": ["x\x1b[2J", "y\x9b"]})),
        (500, b"x\x1b[2J\x07"),
        (200, b"[" * 100_000),
        (200, b'{"x\xff\x1b'),
    ]:
        pool.answer = lambda *_, of=(status, body): of  # type: ignore[method-assign]
        result = ask("status")
        assert (result.exit_code, result.stdout) == (1, "")
        assert not {each for each in result.stderr if not each.isprintable()} - {"\n"}


def test_blocks_of_a_running_pool(ask: Ask) -> None:
    text = ask("blocks", columns=250).stdout
    assert re.search(r"900000 +mature +2027-01-15 08:00:00 +3\.12500000 +50\.0% +200\.0%", text)
    assert [each["height"] for each in json.loads(ask("blocks", "--json").stdout)] == [
        900_000,
        899_000,
    ]


def test_events_are_lines_the_newest_last(pool: FakePool, ask: Ask) -> None:
    lines = ask("events", "--limit", "2", "--level", "warning").stdout.splitlines()
    assert lines[0] == "2027-01-15 08:00:02 info    block_found height=2 why=luck"
    assert pool.asked == [("events", {"limit": "2", "level": "warning"})]
    told = [json.loads(line) for line in ask("events", "--json").stdout.splitlines()]
    assert [each["id"] for each in told] == [1, 2, 3]


def test_following_goes_on_when_the_pool_is_away_for_a_while(
    pool: FakePool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    client = Pool(pool.url)
    answers = iter(["away", "away", "back"])
    monkeypatch.setattr(events, "FOLLOW_INTERVAL_S", 0)
    get = client.get

    def sometimes(*args: Any, **given: Any) -> Any:
        if next(answers) == "away":
            raise AskError("nothing answers.", EXIT_NOT_REACHED)
        return get(*args, **given)

    monkeypatch.setattr(client, "get", sometimes)
    fresh = next(events.following(client, None, after=2))
    assert [each.id for each in fresh] == [3]
    said = capsys.readouterr().err.splitlines()
    assert said == [
        "poolserver: nothing answers. Still asking.",
        "poolserver: it answers again",
    ]


def test_following_ends_where_it_is_refused(
    pool: FakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "FOLLOW_INTERVAL_S", 0)
    pool.token = "other"  # noqa: S105 - made up
    with pytest.raises(AskError, match="wants a token"):
        next(events.following(Pool(pool.url), None, after=2))


def test_a_token_that_is_not_taken_is_told_of_otherwise_than_none(pool: FakePool) -> None:
    pool.token = "other"  # noqa: S105 - made up
    with pytest.raises(AskError, match="wants a token with the scope read: give it by"):
        Pool(pool.url).get("status", Status)
    with pytest.raises(AskError, match="does not take the token of POOLSERVER_TOKEN"):
        Pool(pool.url, "mine").get("status", Status)
