"""The settings on what rigs are, where the operator knows better than they tell."""

from fractions import Fraction
from typing import Annotated

import msgspec

from poolserver.config.kinds import doc, exact
from poolserver.config.values import IpNetwork, PowerNodeName


class RigModelConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What some rigs are: a `model` of `poolserver power models`, or `th_s` and `watts`, or
    `j_per_th`. Rigs are those that any of `rigs`, `workers` and `addresses` fits: a list beats a
    pattern, a pattern a network, and of several of a kind the first. [Rigs](rigs.md) tells more.
    """

    model: Annotated[
        str | None,
        doc("The model's name. With figures beside it any name; without, a known one."),
    ] = None
    th_s: Annotated[
        Fraction | None,
        exact(gt=0, le=10**9),
        doc("The hashrate of one rig by its nameplate, in TH/s."),
    ] = None
    watts: Annotated[
        Fraction | None, exact(gt=0, le=10**9), doc("What one rig then draws, in W.")
    ] = None
    j_per_th: Annotated[
        Fraction | None, exact(gt=0, le=10**9), doc("Its efficiency, in J/TH, before PUE.")
    ] = None
    sites: Annotated[
        tuple[PowerNodeName, ...], doc("Only rigs of these sites.", default="of all")
    ] = ()
    rigs: Annotated[
        tuple[str, ...], doc("Usernames, whole, as `account.worker`.", default="none")
    ] = ()
    workers: Annotated[
        tuple[str, ...],
        doc('Patterns of worker names, as in `[[sites.nodes]]`; `"*"` is all.', default="none"),
    ] = ()
    addresses: Annotated[tuple[IpNetwork, ...], doc("Networks.", default="none")] = ()
