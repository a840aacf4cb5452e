"""``poolserver ledger``: what is done with the books from the command line."""

import click

from poolserver.commands.lazy import Lazy, add_all

COMMANDS = (
    Lazy(
        "backup",
        "ledger_backup:backup",
        "Copy the ledger to the new file DEST, whether the pool runs or not.",
    ),
    Lazy(
        "verify",
        "audit:verify_command",
        "Check the ledger: the signed days, the sums, and all of it by the journal.",
    ),
    Lazy(
        "export",
        "audit:export_command",
        "Write a table of the ledger, as CSV to standard output or to FILE.",
    ),
    Lazy(
        "proof",
        "audit:proof_command",
        "Prove that a worker's row is one of those that were signed: as JSON, for anybody.",
    ),
    Lazy("check-proof", "audit:check_proof_command", "Check a proof."),
    Lazy(
        "stats",
        "ledger_stats:stats",
        "Tell hashrates, rejects and best shares, as they were saved last.",
    ),
)


@click.group()
def ledger() -> None:
    """Back up the ledger, and look after it."""


add_all(ledger, COMMANDS)
