"""The settings on the books: which database they are in."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from poolserver.config.kinds import doc
from poolserver.config.values import FilePath, Password, PostgresUrl


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
