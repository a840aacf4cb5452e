"""Which configuration it is: by its settings, and not by its text or by its secrets."""

from collections.abc import Callable
from pathlib import Path

from poolserver.config import Config
from poolserver.config.fingerprint import fingerprint, needs_restart

Read = Callable[..., Config]


def test_a_comment_and_a_written_default_change_nothing(read: Read, good: str) -> None:
    assert fingerprint(read(good)) == fingerprint(read("# word\nworkers = 1\n" + good))


def test_each_setting_changes_it(read: Read, good: str) -> None:
    one, other = fingerprint(read(good)), fingerprint(read("worker_alone_h = 1\n" + good))
    assert one.public != other.public
    assert one.whole != other.whole


def test_a_password_cannot_be_guessed_by_what_is_shown(read: Read, good: str) -> None:
    one, other = fingerprint(read(good)), fingerprint(read(good.replace("hunter2", "letmein")))
    assert one.public == other.public
    assert one.whole != other.whole


def test_a_file_that_is_read_once_is_part_of_it(read: Read, good: str, tmp_path: Path) -> None:
    table = tmp_path / "firmware.toml"
    config = read(good + f'\n[stratum]\nfirmware_file = "{table}"\n')
    missing = fingerprint(config)
    table.write_text("a")
    first = fingerprint(config)
    table.write_text("b")
    assert len({missing, first, fingerprint(config)}) == 3


def test_what_hangs_on_the_life_of_the_pool_needs_a_restart(read: Read, good: str) -> None:
    running = read(good)
    assert needs_restart(running, read("worker_alone_h = 1\n" + good)) == ()
    other = read(
        "workers = 2\n"
        + good.replace('"pool-1"', '"b"').replace('"var"', '"else"')
        + "\n[stratum]\nextranonce2_size = 4\n"
    )
    named = [each.split(":")[0] for each in needs_restart(running, other)]
    assert named == ["instance_id", "data_dir", "stratum.extranonce2_size", "workers"]


def test_a_database_is_not_named_which_may_have_a_password_in_it(read: Read, good: str) -> None:
    books = '\n[ledger]\nstore = "postgresql"\npostgresql = "postgresql://pool@127.0.0.1/{name}"\n'
    one, other = read(good + books.format(name="ledger")), read(good + books.format(name="secret"))
    (told,) = needs_restart(one, other)
    assert told.startswith("ledger.postgresql")
    assert "secret" not in told
