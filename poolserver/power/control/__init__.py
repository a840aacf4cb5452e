"""The controller: what is to be done so that every node keeps within its limit, and why.

terms        how it behaves
states       what a site and a rig can be in, and every legal way from one to another
decision     what goes in and comes out: state, commands, intentions
headroom     what mining may draw at each node that has a limit
plant        the tree as the controller asks for it
expected, under_way   what will be drawn once the commands under way have had their effect
batches      commands under way: acknowledged, verified, tried again, given up
selection    which rigs: whole ones, the least efficient first, and back in reverse
sites        the states of sites from tick to tick
intentions   what stands, and which of it is news
words        the same in a sentence for people
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
)
from poolserver.power.control.headroom import Cap, Overload
from poolserver.power.control.states import DeviceState, SiteEvent, SiteState
from poolserver.power.control.terms import Terms

__all__ = [
    "Action",
    "Batch",
    "BatchReport",
    "Cap",
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
