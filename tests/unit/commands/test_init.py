"""``poolserver init``: whatever is answered gives a file that loads to just these values."""

import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from poolserver.cli import main
from poolserver.commands.init_answers import Answers, configuration, setting
from poolserver.commands.probe import probe
from poolserver.config import Secret, load_config, parse_config

ADDRESS = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"  # BIP173's first test vector

SCRIPTED = ("--yes", "--payout-address", ADDRESS)


def init(folder: Path, *flags: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(main, ["init", str(folder / "pool.toml"), *flags], input=typed)


def test_flags_alone_write_a_file_that_is_good(tmp_path: Path) -> None:
    site = ("--site", "Port Qasim", "1320.5", "pq-1, pq-2")
    result = init(tmp_path, *SCRIPTED, "--node-cookie", "/none/.cookie", *site)
    assert result.exit_code == 0, result.output
    config = load_config(tmp_path / "pool.toml")
    assert (config.network, config.payout.address) == ("main", ADDRESS)
    assert config.nodes[0].url == "http://127.0.0.1:8332"
    assert config.sites[0].accounts == ("pq-1", "pq-2")
    assert config.sites[0].budget_mw == Fraction(2641, 2)
    assert "note: /none/.cookie: no such file or directory" in result.stderr
    first, second = result.stdout.splitlines()
    assert f"poolserver run --config {tmp_path / 'pool.toml'}" in first
    assert "stratum+tcp://THIS-MACHINE:3333 as pq-1.rig1" in second


def test_answers_write_it_too_and_wrong_ones_are_asked_again(tmp_path: Path) -> None:
    typed = ["moon", "signet", "bc1qfoo", "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx"]
    typed += ["localhost", "http://127.0.0.1:1", "-", "pool", "secret", ""]
    typed += ["", "127.0.0.1", "127.0.0.1:9000", ""]
    typed += ["Hall", "much", "2.5", "", "Hall", ""]
    result = init(tmp_path, typed="\n".join(typed) + "\n")
    assert result.exit_code == 0, result.output
    config = load_config(tmp_path / "pool.toml")
    assert config.network == "signet"
    assert config.nodes[0].username == "pool"
    assert config.nodes[0].password == Secret("secret")
    assert config.http.address.port == 9000
    assert [site.name for site in config.sites] == ["Hall"]
    assert result.output.count("Error: ") == 6
    assert "no node answers at http://127.0.0.1:1" in result.output
    assert "secret" not in result.output


def test_a_file_with_a_password_is_its_owners_alone(tmp_path: Path) -> None:
    login = ("--node-username", "pool", "--payout-address", ADDRESS, "--network", "main")
    result = init(tmp_path, *login, typed="\nsecret\n\n\n\n\n\n")
    assert result.exit_code == 0, result.output
    assert stat.S_IMODE((tmp_path / "pool.toml").stat().st_mode) == 0o600


def test_what_is_there_is_not_overwritten_but_by_force(tmp_path: Path) -> None:
    (tmp_path / "pool.toml").write_text("mine")
    refused = init(tmp_path, *SCRIPTED)
    assert refused.exit_code == 1
    assert "--force" in refused.stderr
    assert (tmp_path / "pool.toml").read_text() == "mine"
    assert init(tmp_path, *SCRIPTED, "--force").exit_code == 0
    assert load_config(tmp_path / "pool.toml").network == "main"
    assert [each.name for each in tmp_path.iterdir()] == ["pool.toml"]


def test_who_ends_it_early_has_no_file(tmp_path: Path) -> None:
    assert init(tmp_path, typed="main\n").exit_code == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--yes"], "--payout-address"),
        (["--yes", "--payout-address", "bc1qfoo"], "payout.address: "),
        ([*SCRIPTED, "--network", "signet"], "payout.address: "),
        ([*SCRIPTED, "--http", "here"], '"127.0.0.1:3333"'),
        ([*SCRIPTED, "--site", "a/b", "1", "x"], "without /"),
        ([*SCRIPTED, "--site", "a", "0.0000001", "x"], "whole number of watts"),
        ([*SCRIPTED, "--node-username", "pool"], "--node-password-env"),
        ([*SCRIPTED, "--listen", "127.0.0.1:9333"], "http.address: "),
    ],
)
def test_wrong_flags_say_what_is_wrong(tmp_path: Path, flags: list[str], says: str) -> None:
    result = init(tmp_path, *flags)
    assert result.exit_code == 2
    assert says in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_password_may_be_a_variable_that_is_not_there_yet(tmp_path: Path) -> None:
    named = ("--node-username", "pool", "--node-password-env", "NODE_PASSWORD")
    assert init(tmp_path, *SCRIPTED, *named).exit_code == 0
    config = load_config(tmp_path / "pool.toml", {"NODE_PASSWORD": "x"})
    assert config.nodes[0].password == Secret("x")


def test_the_schema_for_editors_stands_beside_it_and_is_named(tmp_path: Path) -> None:
    assert init(tmp_path, *SCRIPTED, "--schema").exit_code == 0
    first = (tmp_path / "pool.toml").read_text().split("\n")[0]
    assert first == "#:schema ./poolserver.schema.json"
    assert json.loads((tmp_path / "poolserver.schema.json").read_text())["title"] == "poolserver"


def test_a_folder_that_is_not_there_is_said_in_a_line(tmp_path: Path) -> None:
    result = init(tmp_path / "none", *SCRIPTED)
    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1].endswith("cannot be written: No such file or directory")


names = st.text(min_size=1, max_size=20).filter(
    lambda name: name.isprintable() and "/" not in name and name == name.strip()
)
accounts = st.text(min_size=1, max_size=15).filter(
    lambda name: name.isprintable() and not set(name) & set(". ,") and name == name.strip()
)
ports = st.integers(1, 60_000)


@given(
    st.lists(
        st.tuples(names, st.integers(0, 10**12), accounts),
        max_size=4,
        unique_by=(lambda site: site[0], lambda site: site[2]),
    ),
    ports,
    st.sampled_from(["var", "/srv/the pool", 'a "b" \\c']),
    st.one_of(st.none(), names),
)
def test_whatever_is_answered_is_what_the_pool_is_told(
    sites: list[tuple[str, int, str]], port: int, data_dir: str, password: str | None
) -> None:
    sites = [site for site in sites if site[0] != "unassigned"]
    answers = Answers(
        network="main",
        payout_address=ADDRESS,
        node_username=None if password is None else "pool",
        node_password=password,
        listen=setting("listeners.address")(f"0.0.0.0:{port}"),
        http=setting("http.address")(f"[::1]:{port + 1}"),
        data_dir=setting("data_dir")(data_dir),
        sites=[
            (
                setting("sites.name")(name),
                setting("sites.budget_mw")(f"{Decimal(watts) / 10**6}"),
                setting("sites.accounts")(account),
            )
            for name, watts, account in sites
        ],
    )
    answers.take_defaults()
    text = configuration(answers.settings(), Path("/etc/pool.toml"))
    config = parse_config(text, source="pool.toml", folder=Path("/etc"), environ={})
    assert config.listeners[0].address == ("0.0.0.0", port)
    assert config.http.address == ("::1", port + 1)
    assert config.data_dir == Path("/etc") / data_dir
    assert [(each.name, each.budget_w, *each.accounts) for each in config.sites] == sites
    assert config.nodes[0].password == (None if password is None else Secret(password))


@contextmanager
def node(status: int, body: bytes) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def told(**result: object) -> bytes:
    return json.dumps({"result": {"blocks": 7, "headers": 9} | result}).encode()


@pytest.mark.parametrize(
    ("status", "body", "is_good", "says"),
    [
        (200, told(chain="main"), True, "the node answers: main, height 7"),
        (200, told(chain="signet"), False, "is on signet, not on main"),
        (200, told(chain="main", initialblockdownload=True), False, "block 7 of 9"),
        (401, b"", False, "does not take this login"),
        (200, b"<html>", False, "not as a Bitcoin node does"),
        (200, b"[]", False, "not as a Bitcoin node does"),
    ],
)
def test_a_node_is_looked_at(status: int, body: bytes, is_good: bool, says: str) -> None:
    with node(status, body) as url:
        found = probe(url, "pool:x", "main")
    assert found.is_good == is_good
    assert says in found.text


NOT_UTF8 = "h\udcff"
"""As Python gives what a shell in Latin-1 has sent."""


@pytest.mark.parametrize(
    "flags",
    [
        ("--payout-address", NOT_UTF8),
        ("--node-username", NOT_UTF8, "--node-password-env", "NODE_PASSWORD"),
        ("--node-cookie", NOT_UTF8),
        ("--data-dir", NOT_UTF8),
        ("--listen", NOT_UTF8),
        ("--site", NOT_UTF8, "1", "hall"),
        ("--site", "Hall", "1", NOT_UTF8),
    ],
)
def test_what_is_no_text_is_refused_in_one_line_and_nothing_written(
    tmp_path: Path, flags: tuple[str, ...]
) -> None:
    result = init(tmp_path, *SCRIPTED, *flags)
    assert result.exit_code == 2
    assert result.stderr.splitlines()[-1].startswith("Error: Invalid value for '--")
    assert list(tmp_path.iterdir()) == []


def test_a_file_whose_name_is_no_text_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["init", str(tmp_path / NOT_UTF8), *SCRIPTED, "--schema"])
    assert result.exit_code == 2
    assert "it must be UTF-8" in result.stderr.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []
