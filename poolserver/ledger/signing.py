"""The key that days are signed with: Ed25519, in a file of its own (PEM, PKCS #8)."""

import os
import stat
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from poolserver.ledger.records import LedgerError


class SigningKeyError(LedgerError):
    """The key's file cannot be used; the text says which and why."""


class SigningKey:
    """Signs heads."""

    def __init__(self, key: Ed25519PrivateKey, *, is_new: bool = False) -> None:
        self._key = key
        self.is_new = is_new
        """Whether it was made just now."""
        self.public_key = key.public_key().public_bytes_raw()
        """32 bytes, as RFC 8032 has them."""

    def sign(self, head: bytes) -> bytes:
        """The signature, 64 bytes. The same each time for the same head."""
        return self._key.sign(head)


def load_or_make_key(path: Path) -> SigningKey:
    """The key in the file, which is made if it is not there.

    Raises:
        SigningKeyError: it cannot be read or made, is no such key, or others may read it.
    """
    try:
        pem = _read(path)
        if pem is None:
            return _make(path)
    except OSError as error:
        raise SigningKeyError(f"signing key {path}: {error.strerror or error}") from error
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SigningKeyError(f"signing key {path}: no private key in PEM: {error}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SigningKeyError(f"signing key {path}: no Ed25519 key")
    return SigningKey(key)


def _read(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            # Group as well: a key that somebody else can read proves nothing about who signed.
            if mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise SigningKeyError(
                    f"signing key {path}: others may use it (mode {stat.S_IMODE(mode):o});"
                    " chmod 600 it"
                )
            return file.read()
    except FileNotFoundError:
        return None


def _make(path: Path) -> SigningKey:
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    # Whole or not at all, and never readable to others: days are signed with it from now on.
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    os.link(part, path)  # unlike a rename it replaces nothing
    part.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return SigningKey(key, is_new=True)
