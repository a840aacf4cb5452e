"""The kinds of database that the ledger can be in, as the ledger's own tests have them."""

from tests.unit.ledger.conftest import database as database
