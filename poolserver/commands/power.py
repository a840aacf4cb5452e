"""``poolserver power``: what a site draws, may draw and has drawn."""

import click

from poolserver.commands.power_break_even import break_even_command
from poolserver.commands.power_models import models
from poolserver.commands.power_node import node
from poolserver.commands.power_report import report_command
from poolserver.commands.power_status import status
from poolserver.commands.power_token import token
from poolserver.commands.power_verify import verify_command


@click.group()
def power() -> None:
    """Tell of the power that sites draw, and of the energy they have drawn."""


power.add_command(break_even_command)
power.add_command(models)
power.add_command(node)
power.add_command(report_command)
power.add_command(status)
power.add_command(token)
power.add_command(verify_command)
