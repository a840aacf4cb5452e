"""A listener's certificate."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poolserver.server.tls import ServerCertificate, TlsError, not_after_unix
from tests.unit.server.certificates import Authority


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def load(authority: Authority) -> ServerCertificate:
    return ServerCertificate(authority.cert_file, authority.key_file)


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


@pytest.mark.timeout(10)
def test_a_key_with_a_password_is_refused_and_nobody_is_asked_for_it(
    authority: Authority,
) -> None:
    authority.write()
    plain = authority.key_file.read_text()
    authority.key_file.write_text(
        plain.replace(
            "BEGIN EC PRIVATE KEY-----",
            "BEGIN EC PRIVATE KEY-----\n"
            "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n",
            1,
        )
    )
    with pytest.raises(TlsError):
        load(authority)


@given(st.binary(max_size=100))
def test_any_bytes_are_a_date_or_refused(der: bytes) -> None:
    with contextlib.suppress(ValueError, IndexError):
        not_after_unix(der)
