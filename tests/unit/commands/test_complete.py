"""Names that a shell completes are those of the running pool, or none."""

import pytest
from click.shell_completion import ShellComplete

from poolserver.cli import main
from tests.unit.commands.fake_pool import FakePool


def completed(*words: str) -> list[str]:
    *given, begun = words
    shell = ShellComplete(main, {}, "poolserver", "_POOLSERVER_COMPLETE")
    return [item.value for item in shell.get_completions(given, begun)]


def test_sites_nodes_and_workers_are_completed(pool: FakePool) -> None:
    pool.answers["power"] = {"nodes": [{"path": "/"}, {"path": "Sahiwal"}, {"path": "Sahiwal/T1"}]}
    command = ("workers", "--url", pool.url)
    assert completed(*command, "--site", "P") == ["Port Qasim"]
    assert completed(*command, "--node", "Sahiwal/") == ["Sahiwal/T1"]
    assert completed(*command, "sahiwal.c1-r02") == [f"sahiwal.c1-r02{end}" for end in range(10)]
    assert pool.asked[-1] == ("rigs", {"q": "sahiwal.c1-r02", "limit": "100"})


def test_bash_is_given_names_with_spaces_as_it_wants_them(
    pool: FakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_POOLSERVER_COMPLETE", "bash_complete")
    assert completed("workers", "--url", pool.url, "--site", "P") == ["Port\\ Qasim"]


def test_a_pool_that_does_not_tell_is_no_trouble(capsys: pytest.CaptureFixture[str]) -> None:
    assert completed("workers", "--url", "http://127.0.0.1:1", "--site", "P") == []
    assert completed("workers", "--config", "/nowhere.toml", "--site", "P") == []
    assert capsys.readouterr().out == ""
