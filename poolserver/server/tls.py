"""A listener's certificate, and how it is renewed under way."""

import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import structlog

_SEQUENCE, _UTC_TIME, _GENERALIZED_TIME = 0x30, 0x17, 0x18
_VERSION_TAG = 0xA0

log = structlog.get_logger(__name__)


class TlsError(OSError):
    """A certificate or its key cannot be used; the text says why, in one line."""


class _Stamp(NamedTuple):
    """What tells that a file was written anew, without reading it."""

    mtime_ns: int
    size: int
    inode: int


class ServerCertificate:
    """A certificate with its key, in PEM, behind one ``ssl.SSLContext`` for its whole life.

    Handshakes that begin after a reload use the new pair, and connections that are open are not
    touched. The pair itself lives in a context of its own, which the outer one hands each
    handshake to: a pair that was loaded over another would leave the old one in use beside it
    where the two are of different kinds (RSA and EC), and one that fails to load halfway would
    leave neither.
    """

    def __init__(
        self,
        cert_file: Path,
        key_file: Path,
        *,
        unix_time: Callable[[], float] = time.time,
    ) -> None:
        """Load both. A certificate that has ended is loaded too, with a warning in the log.

        Raises:
            TlsError: a file cannot be read, is no PEM, or the key is another's.
        """
        self.cert_file = cert_file
        self.key_file = key_file
        self._unix_time = unix_time
        self._stamps = self._look()
        self._in_force, self.not_after_unix = self._load()
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.sni_callback = self._choose

    def reload_if_changed(self) -> bool:
        """Load the files again if they were written anew; whether they were.

        What is no good changes nothing. A pair that was met half written is tried again at the
        next look.

        Raises:
            TlsError: the new files cannot be used; the old certificate stays in force.
        """
        stamps = self._look()
        if stamps == self._stamps:
            return False
        self._in_force, self.not_after_unix = self._load()
        self._stamps = stamps
        return True

    def _choose(
        self, handshake: ssl.SSLSocket | ssl.SSLObject, server_name: str | None, _: ssl.SSLContext
    ) -> None:
        """Called in each handshake, whether the client names a server or not."""
        handshake.context = self._in_force

    def _look(self) -> tuple[_Stamp, _Stamp]:
        return _stamp(self.cert_file), _stamp(self.key_file)

    def _load(self) -> tuple[ssl.SSLContext, int]:
        """A context with the pair, and when it ends in Unix time."""
        pem = _read(self.cert_file)
        _read(self.key_file)  # to name the one that cannot be read
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            # The password is asked for on the terminal unless there is one.
            context.load_cert_chain(self.cert_file, self.key_file, password=_no_password)
        except (OSError, ValueError) as error:
            raise TlsError(f"{self.cert_file}, {self.key_file}: {_words(error)}") from error
        try:
            ends = not_after_unix(_first_der(pem))
        except (ValueError, IndexError) as error:
            raise TlsError(f"{self.cert_file}: cannot tell when it ends") from error
        if ends <= self._unix_time():
            log.warning("certificate_expired", file=str(self.cert_file), ended_unix=ends)
        return context, ends


def _stamp(path: Path) -> _Stamp:
    try:
        status = path.stat()
    except OSError as error:
        raise TlsError(f"{path}: {error.strerror}") from error
    return _Stamp(status.st_mtime_ns, status.st_size, status.st_ino)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TlsError(f"{path}: {error.strerror}") from error


def _no_password() -> str:
    raise ValueError("the key is encrypted: give one that is not")


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        if error.reason == "KEY_VALUES_MISMATCH":
            return "the key is not that of the certificate"
        return f"not a certificate and a key in PEM ({error.reason or 'unknown form'})"
    return getattr(error, "strerror", None) or str(error)


def _first_der(pem: bytes) -> bytes:
    """The first certificate of a chain is the server's own; any text may stand around it."""
    begin, end = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
    start = pem.index(begin)
    return ssl.PEM_cert_to_DER_cert(pem[start : pem.index(end, start) + len(end)].decode("ascii"))


def not_after_unix(der: bytes) -> int:
    """When a certificate ends, in Unix seconds.

    X.509 (RFC 5280, 4.1): SEQUENCE { tbsCertificate SEQUENCE { [0] version, serialNumber,
    signature, issuer, validity SEQUENCE { notBefore, notAfter }, ... } ... }.

    Raises:
        ValueError: it is none.
        IndexError: it is cut short.
    """
    _, certificate, _ = _element(der, _SEQUENCE)
    _, to_be_signed, _ = _element(certificate, _SEQUENCE)
    tag, _, rest = _element(to_be_signed)
    skipped = 3 if tag == _VERSION_TAG else 2  # version is left out where it is 1
    for _ in range(skipped):
        _, _, rest = _element(rest)
    _, validity, _ = _element(rest, _SEQUENCE)
    _, _, rest = _element(validity)
    tag, text, _ = _element(rest)
    if tag not in (_UTC_TIME, _GENERALIZED_TIME):
        raise ValueError("a validity without times")
    written = text.decode("ascii")
    if tag == _UTC_TIME:  # two digits of the year: below 50 are of this century (4.1.2.5.1)
        written = ("20" if int(written[:2]) < 50 else "19") + written
    return int(datetime.strptime(written, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp())


def _element(der: bytes, expected: int | None = None) -> tuple[int, bytes, bytes]:
    """Tag, content and what follows the first element (X.690, 8.1)."""
    tag, length, start = der[0], der[1], 2
    if expected is not None and tag != expected:
        raise ValueError(f"tag {tag:02x} where {expected:02x} should be")
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(der[2:start], "big")
    if start + length > len(der):
        raise IndexError("cut short")
    return tag, der[start : start + length], der[start + length :]
