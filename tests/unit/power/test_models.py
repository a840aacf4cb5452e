from fractions import Fraction
from pathlib import Path

import pytest

from poolserver.power.models import (
    AmbiguousModel,
    MinerModel,
    MinerModels,
    ModelFileError,
    UnknownModel,
    load_models,
)

HEADER = "make,model,th_s,watts,j_per_th,cooling,source\n"
S21 = "Bitmain,Antminer S21,200,3500,17.5,air,a list\n"


def load(directory: Path, text: str) -> MinerModels:
    path = directory / "models.csv"
    path.write_text(text)
    return load_models(path)


def test_the_projects_own_file_is_good() -> None:
    models = load_models()
    assert len(models) == 76
    for model in models:  # what the columns say agrees, but for rounding and binning
        assert model.power_w / model.hashrate_th_s == pytest.approx(float(model.j_per_th), rel=0.08)


def test_figures_are_exact() -> None:
    model = load_models().find("NerdQAxe++ Rev7 (4xBM1370)")
    assert (model.hashrate_th_s, model.power_w) == (Fraction("4.8"), Fraction("69.5"))
    assert model.j_per_th == Fraction("14.5")


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("Antminer S21", "Antminer S21"),
        ("antminer s21", "Antminer S21"),
        ("S21", "Antminer S21"),  # though ten models have it as a part
        ("s21 pro", "Antminer S21 Pro"),
        ("Bitmain Antminer S19 XP", "Antminer S19 XP"),
        ("M30S++", "Whatsminer M30S++"),
        ("gamma", "Gamma 601 (BM1370)"),
        (" S23 Hyd 3U ", "Antminer S23 Hyd 3U"),
    ],
)
def test_a_name_or_a_part_that_only_one_model_has_finds_it(name: str, model: str) -> None:
    assert load_models().find(name).model == model


def test_every_model_is_found_by_its_own_name() -> None:
    models = load_models()
    for model in models:
        assert models.find(model.model) is model


def test_a_part_that_several_models_have_is_told_with_all_of_them() -> None:
    with pytest.raises(AmbiguousModel, match="'M7' may be Whatsminer M70 ") as raised:
        load_models().find("M7")
    assert [model.model for model in raised.value.candidates] == [
        "Whatsminer M70",
        "Whatsminer M70S",
        "Whatsminer M70S+",
    ]
    assert "Whatsminer M70S (226 TH/s, 13.9 J/TH)" in str(raised.value)


@pytest.mark.parametrize("name", ["", "  ", "Antminer S99"])
def test_a_name_that_no_model_has_is_told(name: str) -> None:
    with pytest.raises(UnknownModel):
        load_models().find(name)


def test_bins_of_one_name_are_kept_and_told_apart(tmp_path: Path) -> None:
    models = load(tmp_path, HEADER + S21 + S21.replace("200,3500", "188,3290"))
    assert len(models) == 2
    with pytest.raises(AmbiguousModel, match=r"200 TH/s.*188 TH/s"):
        models.find("Antminer S21")


def test_every_bad_row_is_told_by_its_line(tmp_path: Path) -> None:
    rows = [
        S21,
        S21.replace("200", "0"),
        S21.replace("3500", "-1"),
        S21.replace("17.5", "1e9"),
        S21.replace("air", "fog"),
        S21.replace("Antminer S21", " "),
        "Bitmain,Antminer S21,200\n",
    ]
    with pytest.raises(ModelFileError) as raised:
        load(tmp_path, HEADER + "".join(rows))
    assert raised.value.errors == (
        "line 3: th_s '0' is no number above 0",
        "line 4: watts '-1' is no number above 0",
        "line 5: j_per_th '1e9' is no number above 0",
        "line 6: cooling 'fog' is none of air, hydro, immersion",
        "line 7: model is empty",
        "line 8: it has 3 fields, not 7",
    )


@pytest.mark.parametrize("text", ["", "a,b\n", S21])
def test_other_columns_are_told(tmp_path: Path, text: str) -> None:
    with pytest.raises(ModelFileError, match="line 1: the columns must be make,model,th_s"):
        load(tmp_path, text)


def test_a_broken_quote_is_told(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="line 2: unexpected end of data"):
        load(tmp_path, HEADER + S21.replace("a list", '"a list'))


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "models.csv"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ModelFileError, match="not UTF-8"):
        load_models(path)


def test_a_model_reads_as_its_name_and_bin() -> None:
    model = MinerModel(
        "Bitmain", "S21", Fraction(200), Fraction(3500), Fraction("17.5"), "air", "x"
    )
    assert str(model) == "S21 (200 TH/s, 17.5 J/TH)"


@pytest.mark.parametrize(
    ("told", "model"),
    [
        ("Antminer S21/Fri Oct 11 16:34:48 CST 2024", "Antminer S21"),
        ("Antminer S19j Pro+/Wed Jun 28 17:54:07 CST 2023", "Antminer S19j Pro+"),
        ("bmminer/2.0.0/Antminer S9/14000", "Antminer S9"),
        ("Antminer S19k Pro|LUXminer 2026.4.3.192353-6ab4e5077", "Antminer S19k Pro"),
        ("S19j Pro", "Antminer S19j Pro"),
        ("antminer s19 xp hyd.", "Antminer S19 XP Hyd"),
        ("Antminer S21; c0ffee; 2.1", "Antminer S21"),
        ("M60S+_VK40", "Whatsminer M60S+"),
        ("bitaxe/BM1370/v2.13.1", "Gamma 601 (BM1370)"),
        ("bitaxe/BM1366/v2.4.0", "Ultra (BM1366)"),
        ("NerdQAxe++/BM1370/v1.0.36", "NerdQAxe++ Rev7 (4xBM1370)"),
    ],
)
def test_what_tells_a_model_is_known_by_it(told: str, model: str) -> None:
    assert [each.model for each in load_models().told_by(told)] == [model]


@pytest.mark.parametrize(
    "told",
    [
        "",
        "cgminer/4.11.1",
        "cgminer 4.11.1 Avalon",
        "bmminer/2.0.0",
        "xminer-1.2.7",
        "LUXminer 2026.4.3",
        "2026-04-14-0-912d084c-26.04-plus;bosminer-plus-tuner 0.9.0-912d084c",
        "whatsminer/v1.0",
        "PowerPlay-BM/1.0",
        "NiceHash/1.0.0",
        "BM1370/bitaxe",
        "bitaxe/BM9999/v1",
        "Antminer S21 Pro Max/1.0",
        "Antminer",
        "Pro/Hyd/XP",
        "101/3S/3U",
    ],
)
def test_what_tells_no_model_is_taken_for_none(told: str) -> None:
    assert load_models().told_by(told) == ()


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("s19jpro+", "Antminer S19j Pro+"),
        ("S19j-Pro", "Antminer S19j Pro"),
        ("AntminerS21", "Antminer S21"),
        ("m30s++", "Whatsminer M30S++"),
        ("BitmainAntminerT21", "Antminer T21"),
        ("a15pro", "Avalon A15 Pro"),
    ],
)
def test_a_name_without_blanks_is_a_name(name: str, model: str) -> None:
    assert [each.model for each in load_models().named(name)] == [model]


def test_all_bins_of_a_name_are_told(tmp_path: Path) -> None:
    models = load(tmp_path, HEADER + S21 + S21.replace("200,3500", "188,3290"))
    assert len(models.told_by("Antminer S21/1.0")) == 2


def test_every_model_is_known_by_its_name_with_and_without_its_make() -> None:
    models = load_models()
    for model in models:
        assert models.named(model.model) == (model,)
        assert models.named(f"{model.make} {model.model}") == (model,)
