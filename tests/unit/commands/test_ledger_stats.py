"""``poolserver ledger stats`` from the command line."""

import io
import json
from pathlib import Path

from click.testing import CliRunner, Result
from rich.console import Console

from poolserver.cli import main
from poolserver.commands.ledger_stats import stats_table
from poolserver.stats.report import Figures, RejectRatios, Report
from tests.unit.pool_toml import POOL_TOML
from tests.unit.stats.lives import RIGS, Clocks, Life

WINDOWS = ("1m", "5m", "15m", "1h", "6h", "1d", "7d")
FIGURES = Figures(
    "demo",
    "demo.[b]rig1",
    dict.fromkeys(WINDOWS, 2.351e14) | {"1m": 0.0},
    dict.fromkeys(WINDOWS, 0.0371),
    {"1h": None, "1d": RejectRatios(0.012, 0.0), "ever": RejectRatios(0.0, 0.00345)},
    999_700.0,
    12.0,
    1000,
    1,
)


async def pool_with_shares(folder: Path) -> None:
    (folder / "var").mkdir()
    pool = Life(folder / "var", Clocks(), 1)
    await pool.open()
    await pool.take(*pool.declared())
    pool.clocks.advance(2)
    await pool.take(*(pool.share(rig) for rig in RIGS))
    await pool.stop()


def stats(folder: Path, *options: str) -> Result:
    (folder / "pool.toml").write_text(POOL_TOML)
    return CliRunner().invoke(
        main, ["ledger", "stats", "--config", str(folder / "pool.toml"), *options]
    )


async def test_programs_get_everything_as_json(tmp_path: Path) -> None:
    await pool_with_shares(tmp_path)
    result = stats(tmp_path, "--level", "worker", "--top", "2", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["level"], found["count"], len(found["figures"])) == ("worker", 3, 2)
    assert set(found["figures"][0]["hashrate_h_s"]) == set(WINDOWS)


async def test_people_get_a_table_that_says_how_old_it_is(tmp_path: Path) -> None:
    await pool_with_shares(tmp_path)
    result = stats(tmp_path)
    assert result.exit_code == 0, result.output
    assert "s ago" in result.stdout.replace("\n", " ")


def test_a_table_is_short_and_says_what_is_left_out() -> None:
    out = io.StringIO()
    table = stats_table(
        Report("worker", 1_750_000_000_000, 7, [FIGURES]), 1_750_000_042.0, is_wide=True
    )
    Console(file=out, width=200).print(table)
    text = out.getvalue()
    for part in (
        "Statistics of 2025-06-15 15:06:40 UTC, 42 s ago",
        "demo.[b]rig1",
        "235T",
        "3.7%",
        "1.20%",
        "0.34%",
        "1M",
        "and 6 more",
    ):
        assert part in text, text


def test_in_a_narrow_terminal_the_table_has_what_is_wanted_most() -> None:
    out = io.StringIO()
    found = Report("worker", 1_750_000_000_000, 1, [FIGURES])
    Console(file=out, width=80).print(stats_table(found, 1_750_000_042.0, is_wide=False))
    text = out.getvalue()
    for part in ("demo.[b]rig1", "1m", "1h", "1d", "rejected 1d", "best ever", "235T", "0.00%"):
        assert part in text, text
    assert "…" not in text
    assert "6h" not in text


def test_without_a_database_it_fails_in_a_line(tmp_path: Path) -> None:
    result = stats(tmp_path)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"poolserver: {tmp_path}/var/ledger.sqlite cannot be opened")
    assert result.stderr.count("\n") == 1
