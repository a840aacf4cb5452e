"""The controller: what is to be done so that every node keeps within its limit, and why.

states       what a site and a rig can be in, and every legal way from one to another
decision     what goes in and comes out: state, commands, intentions
headroom     what mining may draw at each node that has a limit
expected     what mining will draw once the commands under way have had their effect
batches      commands under way: acknowledged, verified, tried again, given up
selection    which rigs: whole ones, the least efficient first, and back in reverse
sites        the states of sites from tick to tick
words        the same for people, and what is worth telling
controller   a tick

All of it is pure: no clock, no socket, no object for a single rig.
"""

from poolserver.power.control.controller import Controller
from poolserver.power.control.decision import (
    Action,
    Batch,
    BatchReport,
    Command,
    ControlState,
    Decision,
    Intention,
    Overload,
    Terms,
)
from poolserver.power.control.states import DeviceState, SiteEvent, SiteState

__all__ = [
    "Action",
    "Batch",
    "BatchReport",
    "Command",
    "ControlState",
    "Controller",
    "Decision",
    "DeviceState",
    "Intention",
    "Overload",
    "SiteEvent",
    "SiteState",
    "Terms",
]
