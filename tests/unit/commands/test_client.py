"""Commands that ask a running pool: how they find it, and what they say where it does not tell."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from poolserver.cli import main
from poolserver.commands.client import AskError, Pool, find_pool
from tests.unit.commands.conftest import Ask
from tests.unit.commands.fake_pool import FakePool, a_rig
from tests.unit.pool_toml import POOL_TOML

ASKING = (["status"], ["sites"], ["workers"], ["blocks"], ["events"], ["power", "status"])


def a_free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.mark.parametrize("command", ASKING, ids=" ".join)
def test_where_nothing_answers_one_line_says_what_to_do(command: list[str]) -> None:
    url = f"http://127.0.0.1:{a_free_port()}"
    result = CliRunner().invoke(main, [*command, "--url", url])
    assert result.exit_code == 3
    assert result.stdout == ""
    assert result.stderr == (
        f"poolserver: nothing answers at {url} (connection refused): is the pool running? "
        "--url is what is asked\n"
    )


def test_the_configuration_says_where_to_ask(tmp_path: Path) -> None:
    port = a_free_port()
    path = tmp_path / "pool.toml"
    path.write_text(f'{POOL_TOML}\n[http]\naddress = "0.0.0.0:{port}"\n')
    result = CliRunner().invoke(main, ["status", "--config", str(path)])
    assert result.exit_code == 3
    assert f"http://127.0.0.1:{port}" in result.stderr
    assert f"http.address of {path} is what is asked" in result.stderr


def test_a_url_goes_before_the_configuration_and_that_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POOLSERVER_URL", "http://of-environment:1")
    path = tmp_path / "pool.toml"
    path.write_text(POOL_TOML)
    assert find_pool(path, "http://told:2", None).url == "http://told:2"
    assert find_pool(path, None, None).url == "http://127.0.0.1:9333"
    assert find_pool(None, None, None).url == "http://of-environment:1"
    monkeypatch.delenv("POOLSERVER_URL")
    assert find_pool(None, None, None).url == "http://127.0.0.1:9333"


@pytest.mark.parametrize(
    "url",
    [
        "pool",
        "ftp://pool",
        "http://",
        "http://pool:99999",
        "http://[1",
        "http://a..b",
        "http://\udcff",
    ],
)
def test_what_is_no_url_is_wrong_usage(url: str) -> None:
    assert CliRunner().invoke(main, ["status", "--url", url]).exit_code == 2


def test_a_token_comes_of_the_environment_or_a_file(
    pool: FakePool, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool.token = "let-me-look"  # noqa: S105 - made up
    refused = ask("status")
    assert refused.exit_code == 1
    assert "give it by POOLSERVER_TOKEN or --token-file" in refused.stderr
    (tmp_path / "token").write_text("let-me-look\n")
    assert ask("status", "--token-file", str(tmp_path / "token")).exit_code == 0
    monkeypatch.setenv("POOLSERVER_TOKEN", "let-me-look")
    assert ask("status").exit_code == 0
    assert ask("status", "--token-file", str(tmp_path / "none")).exit_code == 2


def test_what_is_looked_for_need_not_be_text(ask: Ask) -> None:
    result = ask("workers", "\udcff")  # as of a byte that is no UTF-8
    assert (result.exit_code, result.stderr) == (0, "")


def test_a_token_that_is_no_header_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("sec\nret")
    with pytest.raises(AskError) as caught:
        find_pool(None, None, tmp_path / "token")
    assert "sec" not in str(caught.value)


def test_what_a_pool_refuses_it_says_why(ask: Ask) -> None:
    result = ask("power", "node", "Nowhere")
    assert (result.exit_code, result.stderr) == (1, "poolserver: no such\n")


def test_what_is_no_pool_is_said_so(pool: FakePool, ask: Ask) -> None:
    pool.answers["status"] = {"at": "noon"}
    result = ask("status")
    assert result.exit_code == 1
    assert "is no pool of this version" in result.stderr


def test_a_list_is_read_by_pages_and_no_further_than_is_wanted(pool: FakePool) -> None:
    pool.lists["rigs"] = [a_rig(number) for number in range(2500)]
    client = Pool(pool.url)
    assert len(client.items("rigs", dict, None).items) == 2500
    assert [given["limit"] for _, given in pool.asked] == ["1000"] * 3
    pool.asked.clear()
    found = client.items("rigs", dict, 1200)
    assert (len(found.items), found.total) == (1200, 2500)
    assert [given["limit"] for _, given in pool.asked] == ["1000", "200"]


def test_a_reader_that_has_had_enough_ends_it_without_a_word(pool: FakePool) -> None:
    pool.lists["rigs"] = [a_rig(number) for number in range(5000)]
    command = f"{sys.executable} -m poolserver workers --all --url {pool.url} | head -1"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=False, timeout=30)
    assert (done.returncode, done.stderr) == (0, b"")
