"""``poolserver power models`` from the command line."""

import json
from fractions import Fraction
from pathlib import Path

from click.testing import CliRunner, Result

from poolserver.cli import main
from poolserver.ledger import rig_sql
from poolserver.ledger.sqlite import SqliteDatabase
from poolserver.power.rater import Identity
from poolserver.power.rig_book import SavedRig
from tests.unit.pool_toml import POOL_TOML

SITE = """
[[sites]]
name = "hall"
accounts = ["alice"]
budget_mw = 1
[[rig_models]]
model = "M60S"
workers = ["w*"]
"""
RIGS = (
    SavedRig("alice.w1", "alice", Identity(), 1),
    SavedRig("alice.w2", "alice", Identity(user_agent="Antminer S21/1.0"), 2),
    SavedRig("alice.a1", "alice", Identity(user_agent="Antminer S21/1.0"), 3),
    SavedRig("alice.[b]x", "alice", Identity(watts=3000, th_s=Fraction(100)), 4),
    SavedRig("bob.1", "bob", Identity(), 5),
)


def models(*options: str) -> Result:
    return CliRunner().invoke(main, ["power", "models", *options], env={"COLUMNS": "200"})


def pool(folder: Path) -> str:
    (folder / "var").mkdir()
    (folder / "pool.toml").write_text(POOL_TOML + SITE)
    connection = SqliteDatabase(folder / "var" / "ledger.sqlite").connect()
    with connection.transaction():
        rig_sql.put(connection, RIGS, 100)
    connection.close()
    return str(folder / "pool.toml")


def test_every_model_is_listed_with_its_source() -> None:
    found = json.loads(models("--json").stdout)
    assert len(found["models"]) == 76
    assert found["rigs"] is None
    assert found["models"][0] == {
        "make": "Bitmain",
        "model": "Antminer S9",
        "th_s": 13.5,
        "watts": 1350.0,
        "j_per_th": 100.0,
        "cooling": "air",
        "source": "published list, not checked against the maker",
    }


def test_a_model_is_found_by_its_name_or_a_part_of_it() -> None:
    names = [
        each["model"] for each in json.loads(models("--find", "s21", "--json").stdout)["models"]
    ]
    assert names == ["Antminer S21"]
    part = json.loads(models("--find", "m7", "--json").stdout)["models"]
    assert [each["model"] for each in part] == [
        "Whatsminer M70",
        "Whatsminer M70S",
        "Whatsminer M70S+",
    ]


def test_people_get_a_table() -> None:
    result = models("--find", "S21 XP")
    assert result.exit_code == 0, result.output
    assert "13.5" in result.stdout
    assert "published list" in result.stdout


def test_what_the_pools_rigs_are_taken_for_is_told_with_the_reason(tmp_path: Path) -> None:
    result = models("--config", pool(tmp_path), "--json")
    assert result.exit_code == 0, result.output
    rigs = json.loads(result.stdout)["rigs"]
    assert [(each["rigs"], each["by"], each["j_per_th"], each["examples"]) for each in rigs] == [
        (2, "operator", 18.5, ["alice.w1", "alice.w2"]),
        (1, "identity", 17.5, ["alice.a1"]),
        (1, "hint", 30.0, ["alice.[b]x"]),
    ]
    assert rigs[0]["model"] == "Whatsminer M60S (186 TH/s, 18.5 J/TH)"
    assert rigs[0]["basis"] == "published list, not checked against the maker"
    table = models("--config", str(tmp_path / "pool.toml"), "--find", "S21").stdout
    assert "alice.[b]x" in table
    assert "w= in the rig's password" in table


def test_a_pool_without_books_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "pool.toml").write_text(POOL_TOML + SITE)
    result = models("--config", str(tmp_path / "pool.toml"))
    assert result.exit_code == 1
    assert result.stderr.startswith("poolserver: ")
    assert "Traceback" not in result.stderr
