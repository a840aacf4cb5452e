"""``poolserver power break-even`` from the command line."""

import json

from click.testing import CliRunner, Result

from poolserver.cli import main


def run(*options: str) -> Result:
    return CliRunner().invoke(main, ["power", "break-even", *options], env={"COLUMNS": "200"})


def test_models_are_listed_by_what_they_earn() -> None:
    result = run("--price", "95000", "--tariff", "0.06", "--pue", "1.05", "--difficulty", "150e12")
    assert result.exit_code == 0, result.output
    assert "break-even at 26.33 J/TH" in result.output
    assert "assumed" not in result.output


def test_without_a_difficulty_one_is_assumed_and_that_is_told() -> None:
    assert "1.5e+14 (assumed)" in run("--price", "95000", "--tariff", "0.06").output


def test_json_is_for_programs() -> None:
    result = run("--price", "95000", "--tariff", "0", "--difficulty", "150e12", "--json")
    found = json.loads(result.output)
    assert found["break_even_j_per_th"] is None
    earned = [each["earns_per_mwh"] for each in found["models"]]
    assert earned == sorted(earned, reverse=True)
    assert all(each["margin_per_mwh"] == each["earns_per_mwh"] for each in found["models"])


def test_what_is_no_number_is_refused() -> None:
    for wrong in ("-1", "0", "many", "1/2", "nan"):
        assert run("--price", wrong, "--tariff", "0.06").exit_code == 2


def test_a_pool_that_has_no_books_is_told(tmp_path: object) -> None:
    result = run("--price", "1", "--tariff", "1", "--config", f"{tmp_path}/none.toml")
    assert result.exit_code != 0
