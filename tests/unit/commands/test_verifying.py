import click
import pytest

from poolserver.commands.verifying import Parsed, read_hash, tell_differences


@pytest.mark.parametrize("text", ["", "00" * 31, "00" * 33, "zz" * 32])
def test_a_hash_has_64_hex_digits(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of bytes.fromhex or ours
        read_hash(text)
    with pytest.raises(click.BadParameter, match="is no hash"):
        Parsed("hash", read_hash).convert(text, None, None)


def test_a_value_that_was_read_already_stays_as_it_is() -> None:
    assert Parsed("hash", read_hash).convert(b"read", None, None) == b"read"


def test_differences_that_were_not_kept_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    tell_differences(["one", "two"], 5)
    assert capsys.readouterr().out == "DIFFERS one\nDIFFERS two\nand 3 more differences\n"
    tell_differences(["one"], 1)
    assert capsys.readouterr().out == "DIFFERS one\n"
