import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from poolserver.ledger.audit import is_signed
from poolserver.ledger.signing import SigningKey, SigningKeyError, load_or_make_key

HEAD = bytes(range(32))


def test_a_key_is_made_once_and_is_the_same_from_then_on(tmp_path: Path) -> None:
    made = load_or_make_key(tmp_path / "new" / "ledger.key")
    again = load_or_make_key(tmp_path / "new" / "ledger.key")
    assert again.public_key == made.public_key
    assert again.sign(HEAD) == made.sign(HEAD)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["ledger.key"]


def test_nobody_else_can_read_it_whatever_the_umask(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        load_or_make_key(tmp_path / "ledger.key")
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "ledger.key").stat().st_mode) == 0o600


def test_the_rest_of_a_start_that_was_broken_off_is_no_key(tmp_path: Path) -> None:
    (tmp_path / "ledger.key.part").write_text("half of")
    load_or_make_key(tmp_path / "ledger.key")
    assert [path.name for path in tmp_path.iterdir()] == ["ledger.key"]


def test_signatures_are_those_of_rfc_8032(tmp_path: Path) -> None:
    # Test 3 of its section 7.1.
    seed = "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7"
    key = SigningKey(Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed)))
    public = "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"
    assert key.public_key.hex() == public
    signature = key.sign(bytes.fromhex("af82"))
    assert signature.hex() == (
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
    )
    assert is_signed(bytes.fromhex("af82"), signature, key.public_key)
    assert not is_signed(bytes.fromhex("af83"), signature, key.public_key)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    load_or_make_key(tmp_path / "ledger.key")
    (tmp_path / "ledger.key").chmod(0o640)
    with pytest.raises(SigningKeyError, match=r"others may use it \(mode 640\)"):
        load_or_make_key(tmp_path / "ledger.key")


@pytest.mark.parametrize("text", ["", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_a_file_that_is_no_key_is_refused_and_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "ledger.key"
    path.touch(0o600)
    path.write_text(text)
    with pytest.raises(SigningKeyError, match="no private key"):
        load_or_make_key(path)
    assert path.read_text() == text


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.key"
    path.touch(0o600)
    path.write_bytes(
        X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    with pytest.raises(SigningKeyError, match="no Ed25519 key"):
        load_or_make_key(path)


def test_a_folder_in_its_place_is_an_error_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SigningKeyError, match="directory"):
        load_or_make_key(tmp_path)
