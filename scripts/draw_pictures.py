"""draw_pictures.py [FOLDER]: the pictures of docs/share.md and docs/architecture.md, as SVG.

Drawn from the descriptions below; a test holds docs/images to them. They follow the reader's choice
of light or dark, and ask for no font.
"""

import sys
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

STYLE = """
svg { --paper: #ffffff; --ink: #17212b; --faint: #5d6b78; --line: #8796a5;
      --plain: #f1f4f7; --c: #fdf0e1; --kept: #e6f2ea; --power: #e9eefb; }
@media (prefers-color-scheme: dark) {
  svg { --paper: #14191f; --ink: #e8edf2; --faint: #a3b1bf; --line: #6f8091;
        --plain: #222a33; --c: #3a2c1a; --kept: #1d3326; --power: #222b44; }
}
text { font-family: system-ui, -apple-system, "Segoe UI", sans-serif; fill: var(--ink); }
.title { font-size: 14px; font-weight: 600; }
.line, .label { font-size: 12px; fill: var(--faint); }
.file { font-family: ui-monospace, monospace; font-size: 11px; fill: var(--faint); }
.label { paint-order: stroke; stroke: var(--paper); stroke-width: 5px; stroke-linejoin: round; }
rect.box { stroke: var(--line); stroke-width: 1; }
path { fill: none; stroke: var(--line); stroke-width: 1.5; }
marker path { fill: var(--line); stroke: none; }
"""


@dataclass
class Picture:
    """Boxes at places that their author chose, and arrows between them."""

    name: str
    title: str
    width: int
    height: int
    parts: list[str] = field(default_factory=list)

    def box(self, x: int, y: int, w: int, title: str, *lines: str, kind: str = "plain") -> None:
        """``lines`` that begin with ":" are names of files."""
        h = 30 + 17 * len(lines) + (6 if lines else 4)
        fill = f'style="fill: var(--{kind})"'
        self.parts.append(
            f'<rect class="box" x="{x}" y="{y}" width="{w}" height="{h}" rx="6" {fill}/>'
        )
        self.parts.append(f'<text class="title" x="{x + 12}" y="{y + 22}">{escape(title)}</text>')
        for number, line in enumerate(lines):
            kind_of_line = "file" if line.startswith(":") else "line"
            text, at = escape(line.lstrip(":")), y + 41 + 17 * number
            self.parts.append(f'<text class="{kind_of_line}" x="{x + 12}" y="{at}">{text}</text>')

    def arrow(self, way: str, label: str = "", at: tuple[int, int] = (0, 0)) -> None:
        """``way`` is the path's d."""
        self.parts.insert(0, f'<path d="{way}" marker-end="url(#head)"/>')
        if label:
            place = f'x="{at[0]}" y="{at[1]}" text-anchor="middle"'
            self.parts.append(f'<text class="label" {place}>{escape(label)}</text>')

    def svg(self) -> str:
        """The file's text."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
            f'width="{self.width}" height="{self.height}" role="img" '
            f'aria-label="{escape(self.title)}">'
        )
        marker = (
            '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" '
            'markerHeight="8" orient="auto-start-reverse"><path d="M0 0 8 4 0 8z"/></marker></defs>'
        )
        paper = '<rect width="100%" height="100%" rx="10" style="fill: var(--paper)"/>'
        title = f"<title>{escape(self.title)}</title>"
        return "\n".join(
            [head, title, f"<style>{STYLE}</style>", marker, paper, *self.parts, "</svg>\n"]
        )


def share() -> Picture:
    """The way of a share."""
    p = Picture(
        "share", "The way of a share, from a rig's bytes to books, statistics and watts", 980, 500
    )
    p.box(20, 60, 130, "rigs", "mining.submit")
    p.box(
        200,
        60,
        190,
        "the rigs' sockets",
        "one epoll set: all that",
        "is ready is read",
        ":rig_sockets.c",
        kind="c",
    )
    p.box(
        470,
        32,
        220,
        "the lane",
        "ordinary shares, two hashes",
        "at a time",
        ":share_lane.c, rig_wire.py",
        kind="c",
    )
    p.box(470, 150, 220, "the plain path", "framing, session, judgement", ":session.py, judge.py")
    p.box(
        760,
        60,
        200,
        "journal",
        "one record a share,",
        "written once a turn",
        ":journal.py",
        kind="kept",
    )
    p.box(
        470,
        265,
        220,
        "a found block",
        "to memory, all nodes, spool",
        ":submitter.py, spool.py",
        kind="kept",
    )
    p.box(760, 265, 200, "fold", "in a thread, once a second:", "records become sums", ":fold.py")
    p.box(
        760,
        400,
        200,
        "books",
        "sums by quarter of an hour,",
        "days closed and signed",
        ":store.py",
        kind="kept",
    )
    p.box(
        470,
        400,
        220,
        "statistics",
        "hashrate with its error,",
        "rejects, best shares",
        ":meters.py",
    )
    p.box(
        200,
        400,
        190,
        "power",
        "watts with their error,",
        "against the limit",
        ":estimator.py, desk.py",
        kind="power",
    )
    p.arrow("M150 80H200")
    p.arrow("M390 80H430V65H470", "ordinary", (432, 60))
    p.arrow("M390 112H430V185H470", "all else", (430, 152))
    p.arrow("M690 65H725V90H760")
    p.arrow("M690 180H725V120H760")
    p.arrow("M580 218V265", "meets the network target", (580, 246))
    p.arrow("M860 151V265", "what was written", (860, 212))
    p.arrow("M860 352V400")
    p.arrow("M800 352V378H580V400")
    p.arrow("M770 352V370H295V400")
    p.arrow("M860 60V14H85V60", "answers, once their records are written", (270, 18))
    return p


def architecture() -> Picture:
    """Processes, and who speaks to whom."""
    p = Picture("architecture", "Workers take the rigs, a coordinator has all the rest", 980, 480)
    p.box(20, 60, 130, "rigs", "Stratum V1,", "TCP or TLS")
    p.box(20, 330, 130, "Bitcoin nodes", "one or several", "RPC, ZMQ")
    p.box(
        230,
        40,
        270,
        "worker",
        "listeners, sessions, jobs, vardiff,",
        "shares, limits and bans",
        ":server/worker.py",
        kind="c",
    )
    p.box(250, 150, 270, "worker 2, 3...", "the same again, each a process", kind="c")
    p.box(
        230,
        260,
        290,
        "coordinator",
        "nodes and the chain gate, templates,",
        "fold, payouts, power, HTTP",
        ":coordinator.py, control_room/room.py",
    )
    p.box(
        640,
        40,
        320,
        "journal and spool",
        "of each worker: judged shares; found blocks",
        kind="kept",
    )
    p.box(640, 150, 320, "database", "SQLite or PostgreSQL: sums, blocks, energy", kind="kept")
    p.box(640, 245, 320, "people", "live page, poolserver status, top, power", ":lookout/view.py")
    p.box(
        640, 330, 320, "programs", "API, Prometheus: rules, dashboards", ":api/router.py, metrics/"
    )
    p.box(
        230,
        395,
        290,
        "meters, AI hall, dispatcher",
        "Modbus/TCP, MQTT, HTTP",
        ":power/signals/",
        kind="power",
    )
    p.arrow("M150 85H230")
    p.arrow("M500 65H640", "records", (570, 58))
    p.arrow("M330 260V204", "templates down", (278, 236))
    p.arrow("M430 204V260", "shares, blocks, counts up", (515, 236))
    p.arrow("M230 310H190V355H150", "", (0, 0))
    p.arrow("M230 90H190V340H150", "blocks", (190, 220))
    p.arrow("M520 290H590V172H640")
    p.arrow("M520 300H600V270H640")
    p.arrow("M520 315H600V352H640")
    p.arrow("M375 395V347")
    return p


def main(folder: Path) -> None:
    """Write them all."""
    for picture in (share(), architecture()):
        (folder / f"{picture.name}.svg").write_text(picture.svg())


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1] / "docs/images"))
