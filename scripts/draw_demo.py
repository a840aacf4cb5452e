"""Draw docs/images/demo.svg: the demo's table, with the figures of a real run.

    poolserver demo --seconds 60 | python scripts/draw_demo.py 60 7.1 docs/images/demo.svg

The figures are the demo's last line, on standard input; the seconds are how long it ran, and the
standard error is the one that it showed beside the power at its end.
"""

import argparse
import io
import json
import re
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from poolserver.demo import DemoResult, demo_table

WIDTH = 76
# rich asks a CDN for its font; a picture of ours asks nobody for anything.
OUTSIDE = re.compile(r"\s*@font-face\s*\{[^}]*\}|\s*<!--.*?-->", re.DOTALL)
FONT_FAMILY = "Fira Code, "


def draw(table: Table) -> str:
    """The table as SVG, free of links to anywhere."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(table)
    svg = OUTSIDE.sub("", console.export_svg(title="make demo", unique_id="demo"))
    svg = svg.replace(FONT_FAMILY, "")
    return re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("seconds", type=float, help="how long the demo ran")
    parser.add_argument("sigma_kw", type=float, help="the standard error of the power, in kW")
    parser.add_argument("path", type=Path, help="where the picture goes")
    arguments = parser.parse_args()
    result = DemoResult(**json.loads(sys.stdin.read().splitlines()[-1]))
    table = demo_table(arguments.seconds, result, arguments.sigma_kw * 1000)
    arguments.path.write_text(draw(table), encoding="utf-8")


if __name__ == "__main__":
    main()
