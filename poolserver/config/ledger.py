"""The settings on what is kept: the share journal, and the books in a database."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from poolserver.config.kinds import doc
from poolserver.config.values import FilePath, Password, PostgresUrl


class JournalConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The share journal: the record of all accepted work."""

    release: Annotated[
        Literal["turn", "at_once", "sync"],
        doc(
            'When a share is answered. "turn": after its record is written, at the end of the '
            'event loop\'s turn; a crash of the pool loses nothing that was answered. "at_once": '
            'before. "sync": after it is on the disk, so that a power cut loses nothing either.'
        ),
    ] = "turn"
    sync_interval_ms: Annotated[
        int,
        Meta(ge=0, le=10_000),
        doc(
            "How often the journal is forced to the disk: what a power cut can cost, and with "
            '"sync" how long an answer can take. 0: before each answer, one sync right behind the '
            'other (that is "sync", whatever `release` says).'
        ),
    ] = 50
    when_full: Annotated[
        Literal["hold", "refuse"],
        doc(
            'While the journal cannot be written. "hold": rigs are answered and records are held '
            'in memory, and lost if the pool ends before the disk is well. "refuse": an accepted '
            "share is answered with the error `not_recorded`, and gets no credit. Found blocks "
            "go to the nodes and into the spool in any case."
        ),
    ] = "hold"
    held_mib: Annotated[
        int,
        Meta(ge=1, le=4096),
        doc(
            "The memory for them, in MiB; 64 are 790,000 shares. Beyond it shares are refused as "
            'with "refuse".'
        ),
    ] = 64
    keep_days: Annotated[
        int,
        Meta(ge=1, le=36_500),
        doc(
            "How long files of the journal are kept that the database has wholly. They are what "
            "`poolserver ledger verify` makes the books again from."
        ),
    ] = 30
    keep_gib: Annotated[
        int,
        Meta(ge=1, le=1_000_000),
        doc(
            "How much of them is kept at most: beyond it the oldest go. What the database does not "
            "have is never deleted."
        ),
    ] = 50

    @property
    def release_policy(self) -> str:
        """``release``, as the interval has it."""
        return "sync" if self.sync_interval_ms == 0 else self.release


class LedgerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The books: what is made of the journal, and what becomes of blocks.
    [Operations](operations.md#the-database) tells which database to take.
    """

    store: Annotated[
        Literal["sqlite", "postgresql"],
        doc('"sqlite": a file in `data_dir`. "postgresql": a server, version 13 or newer.'),
    ] = "sqlite"
    postgresql: Annotated[
        PostgresUrl | None,
        doc(
            "Where the database is, which must be there. All that libpq knows may follow, as "
            "`?sslmode=verify-full`. Not through a pooler that shares connections."
        ),
    ] = None
    postgresql_password: Annotated[
        Password | None,
        doc("The password, if it wants one. `postgresql_password_env` keeps it out of the file."),
    ] = None
    postgresql_password_env: Annotated[
        str | None, doc("Name of an environment variable that holds the password.")
    ] = None
    save_interval_s: Annotated[
        float,
        Meta(ge=0.1, le=600),
        doc(
            "How often sums are saved; the journal is safe without it. With thousands of rigs a "
            "minute writes a sixth of what ten seconds do."
        ),
    ] = 10.0
    signing_key_file: Annotated[
        FilePath | None,
        doc(
            "The key that each closed day is [signed](ledger.md#the-audit) with: Ed25519 in PEM, "
            "for the pool's user alone. It is made if it is not there. Without a name: "
            "`ledger.key` in `data_dir`."
        ),
    ] = None
