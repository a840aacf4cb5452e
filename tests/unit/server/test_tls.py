"""A listener's certificate."""

import contextlib
import ssl
from pathlib import Path

import pytest
import structlog
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from hypothesis import given
from hypothesis import strategies as st
from trustme import KeyType

from poolserver.server.tls import ServerCertificate, TlsError, not_after_unix
from tests.unit.server.certificates import Authority

KINDS = {"ECDHE+aRSA": KeyType.RSA, "ECDHE+aECDSA": KeyType.ECDSA}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def load(authority: Authority) -> ServerCertificate:
    return ServerCertificate(authority.cert_file, authority.key_file)


def served(
    certificate: ServerCertificate, client: ssl.SSLContext, server_name: str | None = "localhost"
) -> str:
    """When the certificate ends that a client is shown in a handshake."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(to_client, to_server, server_hostname=server_name)
    far = certificate.context.wrap_bio(to_server, to_client, server_side=True)
    for side in (near, far) * 3:
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    shown = near.getpeercert()
    assert shown is not None
    return str(shown["notAfter"])


def test_a_certificate_tells_when_it_ends(authority: Authority) -> None:
    ends = authority.write(2040)
    assert load(authority).not_after_unix == ends


def test_a_certificate_may_end_after_2050(authority: Authority) -> None:
    ends = authority.write(2060)  # its date is of another form from then on
    assert load(authority).not_after_unix == ends


def test_files_that_have_not_changed_are_not_loaded_again(authority: Authority) -> None:
    authority.write()
    assert not load(authority).reload_if_changed()


def test_new_files_are_loaded_into_the_same_context(authority: Authority) -> None:
    authority.write(2040)
    certificate = load(authority)
    context, ends = certificate.context, authority.write(2041)
    assert certificate.reload_if_changed()
    assert certificate.context is context
    assert certificate.not_after_unix == ends
    assert not certificate.reload_if_changed()


def test_a_pair_that_is_half_written_changes_nothing_and_is_tried_again(
    authority: Authority,
) -> None:
    ends = authority.write(2040)
    certificate = load(authority)
    authority.write_key()
    for _ in range(2):
        with pytest.raises(TlsError, match="the key is not that of the certificate"):
            certificate.reload_if_changed()
    assert certificate.not_after_unix == ends
    authority.write(2041)
    assert certificate.reload_if_changed()


def test_a_file_that_is_gone_changes_nothing(authority: Authority) -> None:
    authority.write()
    certificate = load(authority)
    authority.cert_file.unlink()
    with pytest.raises(TlsError, match="No such file"):
        certificate.reload_if_changed()


@pytest.mark.parametrize("content", [b"", b"nonsense", b"\xff\xfe", b"-----BEGIN CERTIFICATE-----"])
def test_what_is_no_certificate_is_refused_in_one_line(
    authority: Authority, content: bytes
) -> None:
    authority.write()
    authority.cert_file.write_bytes(content)
    with pytest.raises(TlsError) as caught:
        load(authority)
    assert str(authority.cert_file) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_whatever_text_stands_around_a_certificate_is_skipped(authority: Authority) -> None:
    ends = authority.write(2040)
    pem = authority.cert_file.read_bytes()
    authority.cert_file.write_bytes("subject=CN = Grübe\n".encode() + pem)
    assert load(authority).not_after_unix == ends


@pytest.mark.parametrize("name", ["cert.pem", "key.pem"])
def test_the_file_that_cannot_be_read_is_named(authority: Authority, name: str) -> None:
    authority.write()
    path = authority.cert_file.with_name(name)
    path.unlink()
    with pytest.raises(TlsError, match=f"^{path}: No such file or directory$"):
        load(authority)
    path.mkdir()
    with pytest.raises(TlsError, match=f"^{path}: Is a directory$"):
        load(authority)


@pytest.mark.timeout(10)
def test_a_key_with_a_password_is_refused_and_nobody_is_asked_for_it(
    authority: Authority,
) -> None:
    authority.write()
    key = load_pem_private_key(authority.key_file.read_bytes(), None)
    encryption = BestAvailableEncryption(b"secret")
    authority.key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    with pytest.raises(TlsError, match="the key is encrypted"):
        load(authority)


def test_a_certificate_that_has_ended_is_loaded_with_a_warning(authority: Authority) -> None:
    ends = authority.write(2040)
    for now, expected in ((ends - 1, []), (ends, ["certificate_expired"])):
        with structlog.testing.capture_logs() as logs:
            ServerCertificate(authority.cert_file, authority.key_file, unix_time=lambda: now)  # noqa: B023
        assert [each["event"] for each in logs] == expected


# --- in handshakes -----------------------------------------------------------------------


@pytest.mark.parametrize("server_name", ["localhost", None])
def test_handshakes_show_what_was_loaded_last_whether_they_name_a_server_or_not(
    authority: Authority, server_name: str | None
) -> None:
    authority.client.check_hostname = False
    authority.write(2040)
    certificate = load(authority)
    assert "2040" in served(certificate, authority.client, server_name)
    authority.write(2041)
    certificate.reload_if_changed()
    assert "2041" in served(certificate, authority.client, server_name)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_each_version_from_1_2_on_is_spoken(authority: Authority, version: ssl.TLSVersion) -> None:
    authority.client.minimum_version = authority.client.maximum_version = version
    authority.write(2040)
    assert "2040" in served(load(authority), authority.client)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1:DeprecationWarning")
def test_older_versions_are_not_spoken(authority: Authority) -> None:
    authority.client.minimum_version = ssl.TLSVersion.TLSv1_1
    authority.client.maximum_version = ssl.TLSVersion.TLSv1_1
    authority.client.set_ciphers("DEFAULT:@SECLEVEL=0")
    authority.write()
    certificate = load(authority)
    assert certificate.context.minimum_version == ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError):
        served(certificate, authority.client)


@pytest.mark.parametrize("spoil", ["key", "cert", "gone"])
def test_while_the_new_pair_is_no_good_handshakes_show_the_old_one(
    authority: Authority, spoil: str
) -> None:
    authority.write(2040)
    certificate = load(authority)
    if spoil == "key":
        authority.write_key()
    elif spoil == "cert":
        authority.cert_file.write_bytes(b"nonsense")
    else:
        authority.key_file.unlink()
    with pytest.raises(TlsError):
        certificate.reload_if_changed()
    assert "2040" in served(certificate, authority.client)


@pytest.mark.parametrize("old", KINDS)
def test_an_old_certificate_of_another_kind_is_shown_to_nobody(
    authority: Authority, old: str
) -> None:
    [new] = set(KINDS) - {old}
    authority.client.maximum_version = ssl.TLSVersion.TLSv1_2
    authority.write(2040, KINDS[old])
    certificate = load(authority)
    authority.write(2041, KINDS[new])
    assert certificate.reload_if_changed()
    authority.client.set_ciphers(new)
    assert "2041" in served(certificate, authority.client)
    authority.client.set_ciphers(old)  # a client that speaks no other
    with pytest.raises(ssl.SSLError):
        served(certificate, authority.client)


@given(st.binary(max_size=100))
def test_any_bytes_are_a_date_or_refused(der: bytes) -> None:
    with contextlib.suppress(ValueError, IndexError):
        not_after_unix(der)
