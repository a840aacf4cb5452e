"""Files, texts and the defaults that depend on other settings."""

from collections.abc import Callable
from fractions import Fraction
from math import inf
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from poolserver.config import Config, ConfigError, Endpoint, Secret, load_config, parse_config

Read = Callable[..., Config]
After = Callable[..., list[str]]

MAIN_ADDRESS = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
REGTEST_ADDRESS = "bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080"
DIFFICULTIES = "start_difficulty = 1e-6\nmin_difficulty = 1e-9\n"


def problems_of(path: Path) -> list[str]:
    with pytest.raises(ConfigError) as error:
        load_config(path, environ={})
    return str(error.value).splitlines()


# --- files -------------------------------------------------------------------------------------


def test_paths_are_relative_to_the_files_folder(
    tmp_path: Path, good: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    login = good.replace('username = "u"\npassword = "hunter2"', 'cookie_file = "../.cookie"')
    (tmp_path / "etc" / "pool.toml").write_text(login)
    monkeypatch.chdir(tmp_path)
    config = load_config("etc/pool.toml")
    assert config.data_dir == tmp_path / "etc" / "var"
    assert config.nodes[0].cookie_file == tmp_path / "etc" / ".." / ".cookie"


def test_an_absolute_path_stays(good: str, read: Read) -> None:
    assert read(good.replace('"var"', '"/srv/pool"')).data_dir == Path("/srv/pool")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "pool.toml"
    assert problems_of(path) == [f"{path}: cannot be read: No such file or directory"]


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    assert problems_of(tmp_path) == [f"{tmp_path}: cannot be read: Is a directory"]


def test_what_else_cannot_be_read_is_told_the_systems_reason(tmp_path: Path) -> None:
    path = tmp_path / "file" / "pool.toml"
    (tmp_path / "file").touch()
    assert problems_of(path) == [f"{path}: cannot be read: Not a directory"]


def test_a_file_that_is_not_utf_8_is_told_its_line(tmp_path: Path) -> None:
    path = tmp_path / "pool.toml"
    path.write_bytes('# one\n# tw\xf6\nnetwork = "main"\n'.encode("latin-1"))
    assert problems_of(path) == [f"{path}: is not UTF-8: line 2"]


def test_a_byte_order_mark_is_no_harm(tmp_path: Path, good: str) -> None:
    path = tmp_path / "pool.toml"
    path.write_text(good, encoding="utf-8-sig")
    assert load_config(path).instance_id == "pool-1"


# --- texts that are not TOML -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("network = main\n", "at line 1, column 11"),
        ('a = 1\n[payout\nb = "x"\n', "at line 2, column 8"),
        ('a = 1\nb = "', "at the end, line 2, column 6"),
        ("a = " + "9" * 5000, "4300 digits"),
        ("a = " + "[" * 5000, "nested too deeply"),
    ],
)
def test_what_is_not_toml_is_one_problem_with_its_place(
    after: After, text: str, where: str
) -> None:
    (problem,) = after(text=text)
    assert problem.startswith("pool.toml: is n")
    assert where in problem


def test_an_empty_text_lacks_all_that_is_required(after: After) -> None:
    assert after(text="") == [
        "network: is missing",
        "payout.address: is missing",
        "nodes: needs at least one [[nodes]]",
        "listeners: needs at least one [[listeners]]",
    ]


# --- what comes out ----------------------------------------------------------------------------


def test_a_good_text_is_a_whole_configuration(good: str, read: Read) -> None:
    config = read(good)
    assert config.payout_plan.operator.hex() == "0014751e76e8199196d454941c45d1b3a323f1433bd6"
    assert config.bitcoin_network.chain == "regtest"
    assert config.listeners[0].address == Endpoint("127.0.0.1", 3333)
    assert config.stratum.version_mask == 0x1FFFE000
    assert config.journal.release == "turn"


def test_energy_figures_are_exactly_what_is_written(good: str, read: Read) -> None:
    (site,) = read(good).sites
    assert site.budget_w == 200_000
    assert (site.pue, site.default_j_per_th) == (Fraction(21, 20), Fraction(35, 2))
    assert site.work_scale == 10**10


@pytest.mark.parametrize(
    ("number", "trouble"),
    [
        ("0.0000001", "must be a whole number of watts, is 1E-7 MW"),
        ("inf", "must be a number, is Infinity"),
        ("nan", "must be a number, is NaN"),
        ("1e999999999999999999999", "must be a number, is Infinity"),
        ("0x" + "f" * 5000, "must be a whole number, is beyond 64 bits"),
        ("-0.5", "must be at least 0, is -0.5"),
    ],
)
def test_figures_that_cannot_be_reckoned_with_are_refused(
    after: After, number: str, trouble: str
) -> None:
    assert after(("budget_mw = 0.2", f"budget_mw = {number}")) == [f"sites[0].budget_mw: {trouble}"]


def test_a_figure_too_small_for_a_double_is_zero(good: str, read: Read) -> None:
    tiny = good.replace("budget_mw = 0.2", "budget_mw = 1e-999999999")
    assert read(tiny).sites[0].budget_w == 0


@pytest.mark.parametrize(("scale", "used"), [("1", False), ("2", True)])
def test_a_scale_of_work_is_told(good: str, read: Read, scale: str, used: bool) -> None:
    assert read(good.replace("10_000_000_000", scale)).uses_work_scale is used


def test_a_password_comes_from_the_environment(good: str, read: Read) -> None:
    text = good.replace('password = "hunter2"', 'password_env = "RPC_PASSWORD"')
    assert read(text, RPC_PASSWORD="s3cret").nodes[0].password == Secret("s3cret")


POSTGRES = '\n[ledger]\nstore = "postgresql"\npostgresql = "{url}"\n'


def test_the_ledgers_password_comes_from_the_environment(good: str, read: Read) -> None:
    section = POSTGRES.format(url="postgresql://pool@/ledger") + 'postgresql_password_env = "PG"'
    config = read(good + section, PG="s3cret")
    assert config.ledger.postgresql_password == Secret("s3cret")
    assert "s3cret" not in repr(config)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://pool:hunter2@db.example/ledger",
        "postgres:/pool:hunter2@db.example",
        "postgresql://pool@db.example/ledger?password=hunter2",
        "host=db.example Password = hunter2",
    ],
)
def test_a_database_is_named_without_its_password(after: After, good: str, url: str) -> None:
    (problem,) = after(text=good + POSTGRES.format(url=url))
    assert problem.startswith("ledger.postgresql: must not hold a password")
    assert "hunter2" not in problem


def test_a_database_is_named_by_a_url(after: After, good: str) -> None:
    (problem,) = after(text=good + POSTGRES.format(url="mysql://db.example/ledger"))
    assert problem.startswith('ledger.postgresql: must be like "postgresql://')


def test_no_password_is_shown_with_the_configuration(good: str, read: Read) -> None:
    assert "hunter2" not in repr(read(good))


def test_no_password_is_shown_in_errors(after: After) -> None:
    mistakes = (
        ('password = "hunter2"', 'pasword = "hunter2"'),
        ('password = "hunter2"', 'password = ["hunter2"]'),
        ('password = "hunter2"', 'password_env = "hunter2"'),
        ('password = "hunter2"', 'password = "hunter2'),
        ("http://127", "http://u:hunter2@127"),
    )
    for mistake in mistakes:
        problems = after(mistake)
        assert problems
        assert "hunter2" not in "".join(problems)


# --- defaults that depend on other settings ----------------------------------------------------


@pytest.mark.parametrize(
    ("written", "low_start_high"),
    [
        ("", (2.0**-32, 2.0**-20, inf)),
        ("start_difficulty = 5", (2.0**-32, 5, inf)),
        ("min_difficulty = 1", (1, 1, inf)),
        ("max_difficulty = 1e-9", (2.0**-32, 1e-9, 1e-9)),
    ],
)
def test_default_difficulties_on_regtest(
    good: str, read: Read, written: str, low_start_high: tuple[float, ...]
) -> None:
    (listener,) = read(good.replace(DIFFICULTIES, f"{written}\n")).listeners
    low, start, high = low_start_high
    assert (listener.min_difficulty, listener.start_difficulty) == (low, start)
    assert listener.max_difficulty == high


@pytest.mark.parametrize(
    ("written", "low_start_high"),
    [
        ("", (1, 65536, inf)),
        ("start_difficulty = 0.5", (0.5, 0.5, inf)),
        ("min_difficulty = 1_000_000", (1_000_000, 1_000_000, inf)),
        ("max_difficulty = 1000", (1, 1000, 1000)),
        ("max_difficulty = 0.5", (0.5, 0.5, 0.5)),
    ],
)
def test_default_difficulties_on_a_real_network(
    good: str, read: Read, written: str, low_start_high: tuple[float, ...]
) -> None:
    text = good.replace(REGTEST_ADDRESS, MAIN_ADDRESS)
    text = text.replace('"regtest"', '"main"').replace("work_scale = 10_000_000_000", "")
    (listener,) = read(text.replace(DIFFICULTIES, f"{written}\n")).listeners
    low, start, high = low_start_high
    assert (listener.min_difficulty, listener.start_difficulty) == (low, start)
    assert listener.max_difficulty == high


# --- hostile texts -----------------------------------------------------------------------------

FOLDER = Path("/etc/pool")
GOOD = (Path(__file__).parents[3] / "configs" / "demo.toml").read_text()
VALUES = st.sampled_from(
    [
        *("0", "-1", "1e400", "nan", "0xffffffffffffffffff", "true", "1979-05-27", "07:32:00"),
        *('""', '"~x/y"', '"[::]:1"', '"http://[:1"', '"\\u0000"', '"\\n"', '"ä"', '"x.y"'),
        *("[]", "[[1]]", "{}", "{a=1}", "[", "'", "x"),
    ]
)


def refused_or_read(text: str) -> None:
    problems = None
    try:
        parse_config(text, source="pool.toml", folder=FOLDER, environ={})
    except ConfigError as error:
        problems, lines = error.problems, str(error).splitlines()
    if problems is not None:
        assert lines == [str(problem) for problem in problems] != []


@given(st.text())
@example("\0")
@example("a.b = 1\na.b.c = 2")
def test_any_text_is_read_or_refused(text: str) -> None:
    refused_or_read(text)


@given(st.data())
def test_the_good_text_with_any_values_replaced_is_read_or_refused(data: st.DataObject) -> None:
    from_good = data.draw(st.lists(st.integers(0, 40), max_size=5))
    lines = GOOD.splitlines()
    for index in from_good:
        name, equals, _ = lines[index % len(lines)].partition(" = ")
        if equals:
            lines[index % len(lines)] = f"{name} = {data.draw(VALUES)}"
    refused_or_read("\n".join(lines))


@given(st.integers(0, 600), st.text(max_size=6), st.integers(0, 8))
def test_the_good_text_with_any_splice_is_read_or_refused(at: int, text: str, cut: int) -> None:
    refused_or_read(GOOD[:at] + text + GOOD[at + cut :])


@pytest.mark.parametrize(
    ("settings", "policy"),
    [
        ("", "turn"),
        ('release = "at_once"', "at_once"),
        ("sync_interval_ms = 0", "sync"),
        ('release = "turn"\nsync_interval_ms = 0', "sync"),
        ("sync_interval_ms = 1", "turn"),
    ],
)
def test_an_interval_of_0_syncs_before_each_answer(
    good: str, read: Read, settings: str, policy: str
) -> None:
    config = read(f"{good}\n[journal]\n{settings}\n")
    assert config.journal.release_policy == policy
