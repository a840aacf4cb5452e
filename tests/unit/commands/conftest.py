"""A pool that answers, and commands that ask it."""

from collections.abc import Callable, Iterator

import pytest
from click.testing import CliRunner, Result

from poolserver.cli import main
from tests.unit.commands.fake_pool import FakePool, fake_pool


@pytest.fixture
def pool() -> Iterator[FakePool]:
    with fake_pool() as found:
        yield found


Ask = Callable[..., Result]


@pytest.fixture
def ask(pool: FakePool) -> Ask:
    """Run a command of the running pool, in a terminal of 80 columns unless told otherwise."""

    def run(*command: str, columns: int | None = 80) -> Result:
        environment = {
            "POOLSERVER_URL": pool.url,
            "COLUMNS": None if columns is None else f"{columns}",
        }
        return CliRunner().invoke(main, command, env=environment)

    return run
