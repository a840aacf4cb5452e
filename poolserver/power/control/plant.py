"""The tree as the controller asks for it: where the power of a rig flows through."""

from collections.abc import Container

from poolserver.power.tree import PowerTree

Above = tuple[tuple[str, float], ...]
"""The limited nodes above a rig, the deepest first, each with what a watt at its plug is there."""


class Plant:
    """Looks up lineages once: nodes are only ever added to a tree."""

    def __init__(self, tree: PowerTree) -> None:
        self.tree = tree
        self._lineages: dict[str, Above] = {}

    def lineage(self, path: str) -> Above:
        """A node and all above it. From the site up a rig's watt is one with PUE."""
        found = self._lineages.get(path)
        if found is None:
            pue, parts = 1.0, []
            for node in self.tree.lineage(path):
                pue *= float(node.pue)
                parts.append((node.path, pue))
            found = self._lineages[path] = tuple(parts)
        return found

    def above(self, path: str, limited: Container[str]) -> Above:
        """Those of them that have a limit."""
        return tuple(each for each in self.lineage(path) if each[0] in limited)

    def pue(self, site: str) -> float:
        return float(self.tree[site].pue) if site in self.tree else 1.0


def site_of(path: str) -> str:
    """The site that a node is in or is; empty for the programme.

    >>> site_of("Sahiwal/F1/T2"), site_of("/")
    ('Sahiwal', '')
    """
    return path.partition("/")[0]
