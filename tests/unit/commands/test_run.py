"""``poolserver run``: for whom the first process stays when it has handed over."""

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from poolserver.commands import run as run_module
from poolserver.config import Config

CONFIG = """
network = "regtest"
payout = { address = "bcrt1p2zffkaxp5py4fdutfdsrt6t6tcrc5ks09rkfd428hlhf4n5q8tqq5az5cr" }
nodes = [{ url = "http://127.0.0.1:1", cookie_file = "cookie" }]
listeners = [{ address = "127.0.0.1:0" }]
"""


class Stayed:
    def stay(self) -> None:
        pass


@pytest.mark.parametrize(
    ("flags", "in_terminal", "expected"),
    [([], False, False), (["--stay"], False, True), ([], True, True)],
)
def test_it_stays_where_it_is_told_to_and_in_a_terminal(
    flags: list[str],
    in_terminal: bool,
    expected: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[bool] = []

    async def serve(_config: Config, _path: Path, *, stays: bool) -> Stayed:
        said.append(stays)
        return Stayed()

    monkeypatch.setattr(run_module, "serve", serve)
    monkeypatch.setattr(os, "isatty", lambda _fd: in_terminal)
    (tmp_path / "pool.toml").write_text(CONFIG)
    result = CliRunner().invoke(run_module.run, ["--config", str(tmp_path / "pool.toml"), *flags])
    assert result.exit_code == 0, result.output
    assert said == [expected]
