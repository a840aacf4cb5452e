"""The lane of ordinary shares, which there is in C only: the plain path is its twin.

To be imported where ``_native.IMPLEMENTATION`` is ``"c"``; without the extension it does not load.
"""

from poolserver._native._sharecheck import LaneRig, LaneTurn, ShareLane

__all__ = ["LaneRig", "LaneTurn", "ShareLane"]
