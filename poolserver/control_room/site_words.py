"""What others are told of each site by MQTT: made of what operators are shown."""

from poolserver.control_room.view import PowerView
from poolserver.power.signals.words import SiteWord


def site_words(view: PowerView) -> dict[str, SiteWord]:
    """By the site's name. ``state`` is that of the whole pool."""
    return {
        node.path: SiteWord(
            view.at, node.total_w.value, node.total_w.sigma, node.limit_w, view.state
        )
        for node in view.nodes
        if node.kind == "site"
    }
