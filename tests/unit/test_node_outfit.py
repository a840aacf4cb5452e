import asyncio
from pathlib import Path
from unittest.mock import Mock

import pytest

from poolserver import node_outfit
from poolserver.config import Config, parse_config
from poolserver.node.group import GroupTerms
from poolserver.node.process import free_port
from poolserver.node_outfit import PoolNodes
from poolserver.outfit import StartError, trial_factory
from tests.unit.pool_toml import POOL_TOML

SECOND = """
[[nodes]]
name = "second"
url = "http://127.0.0.1:18444"
username = "u"
password = "p"
roles = ["submit"]
"""


def config(extra: str = "") -> Config:
    return parse_config(POOL_TOML + extra, source="pool.toml", folder=Path("/"), environ={})


def nodes(made: Config) -> PoolNodes:
    return PoolNodes(made, trial_factory(made), lambda method, seconds, kind: None, GroupTerms())


async def test_each_node_of_the_config_is_watched_whether_it_passed_or_not() -> None:
    made = config(SECOND)
    pool = nodes(made)
    group = pool.group({})
    running = asyncio.create_task(group.run(Mock(), Mock(), Mock()))
    await asyncio.sleep(0)  # it runs
    group.look()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await pool.close()
    assert [each.name for each in group.figures()] == [node.label for node in made.nodes]


async def test_the_first_node_is_asked_until_there_is_one_that_is_mined_on() -> None:
    pool = nodes(config(SECOND))
    assert pool.active(pool.group({}))().url == "http://127.0.0.1:18443"


async def test_templates_are_proved_where_that_is_wished() -> None:
    for extra, is_proving in (("", True), ("[templates]\ncheck_blocks = false\n", False)):
        pool = nodes(config(extra))
        group = pool.group({})
        assert (pool.proving(group, pool.active(group)) is not None) is is_proving


async def test_a_pool_whose_only_node_does_not_answer_is_told_so_in_a_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(node_outfit, "NODE_WAIT_S", 0.0)
    text = POOL_TOML.replace("18443", str(free_port()))
    pool = nodes(parse_config(text, source="pool.toml", folder=Path("/"), environ={}))
    try:
        with pytest.raises(StartError, match=r"127\.0\.0\.1"):
            await pool.found(asyncio.Event())
    finally:
        await pool.close()


async def test_a_stop_while_nodes_are_waited_for_leaves_none() -> None:
    pool, stop = nodes(config()), asyncio.Event()
    stop.set()
    try:
        assert await pool.found(stop) == {}
    finally:
        await pool.close()
