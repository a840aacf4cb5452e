"""Rules for all tests."""

import os
import signal
from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.integration.postgres import PostgresCluster, PostgresDatabase, find_bin

# A machine that is busy makes an example slow, and no rule wrong. (In CI this is so already.)
settings.register_profile("patient", deadline=None)
if not os.environ.get("CI"):
    settings.load_profile("patient")

# A shell that runs the tests in the background has this ignored, and what they start would too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres_cluster() -> Iterator[PostgresCluster]:
    """A real PostgreSQL; where it cannot be had the test is skipped by that name (in CI it fails).

    It is for the whole session: a test that stops or kills it makes one of its own.
    """
    folder = find_bin()
    if folder is None:
        pytest.skip("postgresql: none found; scripts/get-postgresql.sh fetches one")
    with PostgresCluster.running(folder) as cluster:
        yield cluster


@pytest.fixture
def postgres(postgres_cluster: PostgresCluster) -> Iterator[PostgresDatabase]:
    """A database of its own for the test."""
    database = postgres_cluster.new_database()
    yield database
    postgres_cluster.drop(database)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    """Say by name what was skipped, in the last lines."""
    for report in terminalreporter.stats.get("skipped", []):
        terminalreporter.write_line(f"not run: {report.nodeid}: {report.longrepr[2]}", yellow=True)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Where CI=true is set every real part must be there: a skipped test is a failure."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") == "true" and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
