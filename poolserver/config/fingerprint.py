"""Which configuration it is, whatever its text looks like; and what of one a reload cannot do.

A fingerprint is of the settings as they are worked out and of the files that they name, so that
a comment changes nothing, and another table of firmware does.
"""

from collections.abc import Iterator
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import msgspec

from poolserver.config.settings import Config
from poolserver.config.values import Secret


class Fingerprint(NamedTuple):
    """SHA-256s, as hex."""

    public: str
    """Without passwords, which could be guessed by it. For all to see."""
    whole: str
    """With them: for this pool's own processes alone."""


def fingerprint(config: Config) -> Fingerprint:
    """Of the settings, and of the files that they name as they are now. Reads those files."""
    files = {str(path): _hash_of_file(path) for path in _files(config)}
    return Fingerprint(
        sha256(_canonical([config, files], _hidden)).hexdigest(),
        sha256(_canonical([config, files], _revealed)).hexdigest(),
    )


def needs_restart(running: Config, wanted: Config) -> tuple[str, ...]:
    """What no reload can change, each with both values: rigs, journal and books hang on it."""
    found = [
        f"{name}: it runs with {was}, and the file says {now}"
        for name, was, now in _fixed(running, wanted)
        if was != now
    ]
    if running.ledger.postgresql != wanted.ledger.postgresql:  # which may have a password in it
        found.append("ledger.postgresql: the file names another database")
    if (running.workers > 1) != (wanted.workers > 1):
        found.append(
            f"workers: it runs with {running.workers}, and the file says {wanted.workers}"
            " (from one to several and back)"
        )
    return tuple(found)


def _fixed(running: Config, wanted: Config) -> Iterator[tuple[str, object, object]]:
    one, two = running, wanted
    yield "network", one.network, two.network
    yield "instance_id", one.instance_id, two.instance_id
    yield "data_dir", one.data_dir.absolute(), two.data_dir.absolute()
    yield (
        "stratum.extranonce2_size",
        one.stratum.extranonce2_size,
        two.stratum.extranonce2_size,
    )
    yield "ledger.store", one.ledger.store, two.ledger.store


def _files(config: Config) -> Iterator[Path]:
    """Those that are read once, at the start. A node's cookie is read at each login, and a
    certificate taken up by itself when it is renewed."""
    if config.stratum.firmware_file is not None:
        yield config.stratum.firmware_file
    if config.mqtt is not None and config.mqtt.ca_file is not None:
        yield config.mqtt.ca_file


def _hash_of_file(path: Path) -> str:
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError as error:  # whoever uses it says so
        return error.__class__.__name__


def _canonical(value: object, hook: "_Hook") -> bytes:
    return msgspec.json.encode(value, enc_hook=hook, order="deterministic")


class _Hook(msgspec.Struct, frozen=True):
    """What values of our own are in JSON."""

    reveals: bool

    def __call__(self, value: object) -> object:
        if isinstance(value, Secret):
            return value.reveal() if self.reveals else True
        if isinstance(value, Fraction | Path):
            return str(value)
        raise NotImplementedError(f"{type(value)} is no setting")


_hidden, _revealed = _Hook(reveals=False), _Hook(reveals=True)
