"""Certificates for tests, made by an authority of their own."""

import ssl
from datetime import UTC, datetime
from pathlib import Path

import trustme


class Authority:
    """Writes certificates for localhost to files, and is trusted by its ``client``."""

    def __init__(self, folder: Path) -> None:
        self.cert_file = folder / "cert.pem"
        self.key_file = folder / "key.pem"
        self._authority = trustme.CA()
        self.client = ssl.create_default_context()
        self._authority.configure_trust(self.client)

    def write(self, year: int = 2040, key_type: trustme.KeyType = trustme.KeyType.ECDSA) -> int:
        """Write a new certificate with its key; when it ends, in Unix time."""
        ends = datetime(year, 1, 2, 3, 4, 5, tzinfo=UTC)
        issued = self._authority.issue_cert(
            "localhost", "127.0.0.1", "::1", not_after=ends, key_type=key_type
        )
        issued.private_key_pem.write_to_path(str(self.key_file))
        self.cert_file.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
        return int(ends.timestamp())

    def write_key(self) -> None:
        """Write the key of another certificate."""
        issued = self._authority.issue_cert("localhost")
        issued.private_key_pem.write_to_path(str(self.key_file))
