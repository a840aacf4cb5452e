"""``poolserver power``: what a site draws, may draw and has drawn."""

import click

from poolserver.commands.lazy import Lazy, add_all

COMMANDS = (
    Lazy(
        "break-even",
        "power_break_even:break_even_command",
        "Tell up to which price of power each model earns more than it costs, by nameplate.",
    ),
    Lazy(
        "models",
        "power_models:models",
        "List the known models of mining machines, with the source of each figure.",
    ),
    Lazy(
        "node",
        "power_node:node",
        "Tell of NODE, as Sahiwal/T2, over a minute to an hour, and of its rigs.",
    ),
    Lazy(
        "report",
        "power_report:report_command",
        "Tell what nodes have drawn, by meters and by proven work, and what that was worth.",
    ),
    Lazy(
        "status",
        "power_status:status",
        "Tell what each node of the running pool's tree draws and may draw, and what binds.",
    ),
    Lazy("token", "token:token", "Make a token for NAME, for the HTTP API."),
    Lazy(
        "verify",
        "power_verify:verify_command",
        "Check the energy ledger: its chain, and each row by the facts it was made of.",
    ),
)


@click.group()
def power() -> None:
    """Tell of the power that sites draw.

    And of the energy that they have drawn.
    """


add_all(power, COMMANDS)
