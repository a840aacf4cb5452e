"""A dashboard of rows of panels, and how it becomes Grafana's JSON.

The JSON is of schema version 36, which every Grafana from 9 on reads and brings up to its own.
Panels flow from left to right in rows of 24 columns, and wrap.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from scripts.dashboards.panels import COLUMNS, DATASOURCE, Panel

SCHEMA_VERSION = 36
# What stands before docs/ in links; --docs says another, and so does the variable `docs`.
DOCS = "https://docs.example/poolserver/"


@dataclass(frozen=True)
class Row:
    """Panels under a heading. The first of a dashboard says whether all is well."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True)
class Variable:
    """What a reader chooses: the values of a label, of which all are shown at first."""

    name: str
    title: str
    label_of: str

    def to_json(self) -> dict[str, Any]:
        metric, _, label = self.label_of.rpartition(",")
        query = f"label_values({metric}, {label.strip()})"
        return {
            "type": "query",
            "name": self.name,
            "label": self.title,
            "datasource": DATASOURCE,
            "query": {"query": query, "refId": self.name},
            "regex": "",
            "includeAll": True,
            "multi": True,
            "allValue": ".+",
            "refresh": 2,
            "sort": 1,
            "hide": 0,
            "current": {"text": ["All"], "value": ["$__all"], "selected": True},
        }


@dataclass(frozen=True)
class Dashboard:
    """A page of rows. ``name`` makes its stable uid and its file's name."""

    name: str
    title: str
    description: str
    variables: tuple[Variable, ...]
    rows: tuple[Row, ...]
    span: str = "now-6h"

    def to_json(self) -> dict[str, Any]:
        variables = [variable.to_json() for variable in self.variables]
        return {
            "uid": f"poolserver-{self.name}",
            "title": f"poolserver / {self.title}",
            "description": self.description,
            "tags": ["poolserver"],
            "schemaVersion": SCHEMA_VERSION,
            "editable": True,
            "graphTooltip": 1,
            "timezone": "browser",
            "refresh": "30s",
            "time": {"from": self.span, "to": "now"},
            "templating": {"list": [_DATASOURCE_VARIABLE, *variables, _DOCS_VARIABLE]},
            "annotations": {"list": list(_ANNOTATIONS)},
            "links": list(_LINKS),
            "panels": list(_placed(self.rows)),
        }


def _placed(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    number, y = 1, 0
    for row in rows:
        yield {
            "id": number,
            "type": "row",
            "title": row.title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"h": 1, "w": COLUMNS, "x": 0, "y": y},
        }
        number, y, x, height = number + 1, y + 1, 0, 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y, height = 0, y + height, 0
            yield panel.to_json(number, x, y)
            number, x, height = number + 1, x + panel.width, max(height, panel.height)
        y += height


_DATASOURCE_VARIABLE = {
    "type": "datasource",
    "name": "datasource",
    "label": "Prometheus",
    "query": "prometheus",
    "hide": 0,
    "includeAll": False,
    "multi": False,
    "refresh": 1,
    "regex": "",
}
_DOCS_VARIABLE = {
    "type": "constant",
    "name": "docs",
    "label": "where docs/ is read",
    "query": DOCS,
    "hide": 2,
}


def _annotation(name: str, color: str, expr: str, title: str, text: str) -> dict[str, Any]:
    # As Grafana's editor for Prometheus saves it; the schema lets data sources add fields.
    return {
        "name": name,
        "datasource": DATASOURCE,
        "enable": True,
        "iconColor": color,
        "expr": expr,
        "step": "30s",
        "titleFormat": title,
        "textFormat": text,
    }


_ANNOTATIONS = (
    _annotation(
        "Blocks",
        "purple",
        'changes(poolserver_blocks_total{instance=~"$instance",state="found"}[1m]) > 0',
        "Block found",
        "{{instance}}",
    ),
    _annotation(
        "Starts, upgrades and reloads",
        "blue",
        'changes(process_start_time_seconds{job="poolserver",instance=~"$instance"}[1m]) > 0',
        "A new process took over",
        "{{instance}}",
    ),
    _annotation(
        "Alerts",
        "red",
        'ALERTS{job="poolserver",alertstate="firing",severity=~"page|ticket"}',
        "{{alertname}}",
        "{{site}} {{node}} {{process}}",
    ),
)
DOCS_LINK = {"title": "Alerts and runbooks", "url": "${docs}docs/alerts.md", "targetBlank": True}
RUNBOOK_LINK = {
    "title": "Runbook",
    "url": "${docs}docs/runbooks/${__data.fields.code}.md",
    "targetBlank": True,
}


def _link(kind: str, title: str, icon: str, **more: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "title": title,
        "icon": icon,
        "tags": [],
        "asDropdown": False,
        "includeVars": False,
        "keepTime": False,
        "targetBlank": False,
        "tooltip": "",
        "url": "",
    } | more


_LINKS = (
    _link(
        "dashboards",
        "poolserver",
        "dashboard",
        tags=["poolserver"],
        includeVars=True,
        keepTime=True,
    ),
    _link("link", "Alerts and runbooks", "doc", url="${docs}docs/alerts.md", targetBlank=True),
)
