"""The commands. Each does its one thing and says in one line what went wrong."""

import click

from poolserver import __version__
from poolserver.commands.lazy import Lazy, add_all

COMMANDS = (
    Lazy("init", "init:init", "Write a configuration, by asking or by flags."),
    Lazy("check-config", "check_config:check_config", "Say all that is wrong with FILE."),
    Lazy("run", "run:run", "Run the pool that FILE describes, until Ctrl-C."),
    Lazy("reload", "reload:reload", "Put the configuration in force as its file is now."),
    Lazy("token", "token:token", "Make a token for NAME, for the HTTP API."),
    Lazy("status", "status:status", "Tell how the running pool is, troubles first."),
    Lazy("top", "top:top", "Watch sites and rigs of the running pool, live."),
    Lazy("sites", "sites:sites", "Tell of the running pool's sites."),
    Lazy("workers", "workers:workers", "Tell of the running pool's rigs."),
    Lazy("blocks", "blocks:blocks", "Tell of the pool's blocks."),
    Lazy("events", "events:events", "Tell what the running pool has logged."),
    Lazy("payouts", "payouts_command:payouts", "Tell what the next block would pay."),
    Lazy("power", "power:power", "Tell of the power that sites draw."),
    Lazy("ledger", "ledger:ledger", "Back up the ledger, and look after it."),
    Lazy("demo", "demo:demo", "Run a pool with a simulated site, for a look."),
    Lazy("simulate", "simulate:simulate", "Let simulated rigs mine at a pool."),
    Lazy("schema", "schema:schema", "Print the JSON Schema of the configuration."),
    Lazy("completion", "completion:completion", "Print what completes commands in a shell."),
    Lazy("version", "version:version", "Tell the version and how shares are hashed."),
)


@click.group()
@click.version_option(__version__, prog_name="poolserver")
def main() -> None:
    """A Bitcoin mining pool server for sites that live on a power budget.

    Commands end with 0; with 1 if they failed; with 2 if what was asked, or the configuration,
    makes no sense; and with 3 if no pool answers. NO_COLOR=1 leaves colors out.
    """


add_all(main, COMMANDS)
