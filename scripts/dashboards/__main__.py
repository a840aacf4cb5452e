"""Write each dashboard to its file below configs/grafana/dashboards."""

import argparse
import json
from pathlib import Path

from scripts.dashboards.fleet import FLEET
from scripts.dashboards.mining import MINING
from scripts.dashboards.model import DOCS, Dashboard
from scripts.dashboards.node import NODE
from scripts.dashboards.power import POWER
from scripts.dashboards.process import PROCESS

FOLDER = Path(__file__).parents[2] / "configs/grafana/dashboards"
ALL: tuple[Dashboard, ...] = (FLEET, POWER, MINING, NODE, PROCESS)


def rendered(dashboard: Dashboard, docs: str = DOCS) -> str:
    """The dashboard's file. ``docs`` is the address that the folder of docs/ is read at."""
    return json.dumps(dashboard.to_json(), indent=1, ensure_ascii=False).replace(DOCS, docs) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docs", default=DOCS, help="address at which docs/ is read, with a /")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the files go")
    given = parser.parse_args()
    for dashboard in ALL:
        path = given.folder / f"{dashboard.name}.json"
        path.write_text(rendered(dashboard, given.docs))
        print(f"{path.name}: {sum(len(row.panels) for row in dashboard.rows)} panels")


if __name__ == "__main__":
    main()
