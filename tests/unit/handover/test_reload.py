"""A reload: what is found out before anything is done, and how its end is known."""

import threading
from pathlib import Path

from structlog.testing import capture_logs

from poolserver.config import Config, load_config, parse_config
from poolserver.handover.reload import LastReload, Reload, ReloadFacts
from poolserver.handover.state import Reloading

REPOSITORY = Path(__file__).parents[3]
GOOD = (REPOSITORY / "configs" / "regtest.toml").read_text()


def parsed(text: str) -> Config:
    return parse_config(text, source="pool.toml", folder=Path("/pool"), environ={})


class Pool:
    """A running pool, as far as a reload sees it. ``text`` is what its file has."""

    def __init__(self, *, is_busy: bool = False) -> None:
        self.text = GOOD
        self.begun = 0
        self.is_busy = is_busy
        self.facts = ReloadFacts(parsed(GOOD), 1000.0)
        self.reload = Reload(self.facts, lambda: parsed(self.text), self.begin, lambda: 2000.0)

    def begin(self) -> bool:
        self.begun += not self.is_busy
        return not self.is_busy


async def test_a_comment_changes_nothing() -> None:
    pool = Pool()
    pool.text = "# another word\n" + GOOD
    answer = await pool.reload.reload("test")
    assert (answer.code, answer.config_sha256) == ("unchanged", pool.facts.config_sha256)
    assert pool.begun == 0
    assert pool.facts.last == LastReload(2000.0, True, "")


async def test_each_error_of_a_broken_file_is_told_and_nothing_done() -> None:
    pool = Pool()
    pool.text = "nonsense = 1\nmore = 2\n" + GOOD
    with capture_logs() as logs:
        answer = await pool.reload.reload("test")
    assert answer.code == "refused"
    assert len(answer.errors) == 2
    assert pool.begun == 0
    assert pool.facts.last is not None
    assert not pool.facts.last.is_good
    assert pool.facts.counts == {"refused": 1}
    assert [each["event"] for each in logs] == ["reload_refused"]


async def test_what_only_a_restart_can_change_is_refused_with_both_values() -> None:
    pool = Pool()
    pool.text = "workers = 2\n" + GOOD.replace("regtest-1", "other")
    answer = await pool.reload.reload("test")
    assert answer.code == "needs_restart"
    assert [each.split(":")[0] for each in answer.errors] == ["instance_id", "workers"]
    assert "other" in answer.errors[0]
    assert pool.begun == 0


async def test_the_new_process_is_told_which_configuration_it_is_to_have() -> None:
    pool = Pool()
    pool.text = GOOD + "\n[limits]\nstrikes = 9\n"
    answer = await pool.reload.reload("test")
    assert answer.code == "begun"
    assert pool.begun == 1
    heir = ReloadFacts(parsed(pool.text), 2001.0)
    assert pool.reload.mark == Reloading(heir.fingerprint, 2000.0)
    assert answer.config_sha256 == heir.config_sha256
    heir.succeed(pool.reload.mark, 2001.5)
    assert heir.last == LastReload(2001.5, True, "")
    assert heir.counts == {"reloaded": 1}


async def test_one_reload_at_a_time_and_another_after_one_that_failed() -> None:
    pool = Pool()
    pool.text = GOOD + "\n[limits]\nstrikes = 9\n"
    assert (await pool.reload.reload("test")).code == "begun"
    assert (await pool.reload.reload("test")).code == "busy"
    pool.reload.failed("no node")
    assert pool.facts.last == LastReload(2000.0, False, "no node")
    assert (await pool.reload.reload("test")).code == "begun"


async def test_an_upgrade_under_way_is_not_met() -> None:
    pool = Pool(is_busy=True)
    pool.text = GOOD + "\n[limits]\nstrikes = 9\n"
    assert (await pool.reload.reload("test")).code == "busy"
    assert pool.reload.mark is None


async def test_a_check_does_nothing() -> None:
    pool = Pool()
    assert (await pool.reload.check()).code == "unchanged"
    pool.text = GOOD + "\n[limits]\nstrikes = 9\n"
    assert (await pool.reload.check()).code == "begun"
    assert (pool.begun, pool.facts.last) == (0, None)


async def test_the_file_is_read_in_a_thread() -> None:
    seen: list[int] = []

    def read() -> Config:
        seen.append(threading.get_ident())
        return parsed(GOOD)

    await Reload(ReloadFacts(parsed(GOOD), 0.0), read, lambda: True).reload("test")
    assert seen != [threading.get_ident()]


def test_who_is_left_behind_is_told() -> None:
    facts = ReloadFacts(load_config(REPOSITORY / "configs" / "regtest.toml", {}), 0.0)
    facts.succeed(Reloading("", 1.0), 2.0, "worker 1 goes on as it was: no certificate")
    assert facts.last == LastReload(2.0, False, "worker 1 goes on as it was: no certificate")
