"""The kinds of panels, and how they become Grafana's JSON."""

import string
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

COLUMNS = 24
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}

GOOD, WATCH, BAD, CALM = "green", "orange", "red", "blue"
Steps = Sequence[tuple[float | None, str]]
PLAIN: Steps = ((None, CALM),)


@dataclass(frozen=True)
class Query:
    """A PromQL expression. ``legend`` is what its series are called, with ``{{label}}``."""

    expr: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """A panel. ``unit`` is as Grafana names it; ``steps``: from which value on which colour."""

    kind: str
    title: str
    description: str
    queries: tuple[Query, ...]
    unit: str = "short"
    width: int = 6
    height: int = 4
    steps: Steps = PLAIN
    texts: dict[str, str] = field(default_factory=dict)
    decimals: int | None = None
    is_instant: bool = True
    options: dict[str, Any] = field(default_factory=dict)
    custom: dict[str, Any] = field(default_factory=dict)
    overrides: tuple[dict[str, Any], ...] = ()
    transformations: tuple[dict[str, Any], ...] = ()
    links: tuple[dict[str, Any], ...] = ()

    def to_json(self, number: int, x: int, y: int) -> dict[str, Any]:
        defaults: dict[str, Any] = {
            "unit": self.unit,
            "color": {"mode": "palette-classic" if self.kind == "timeseries" else "thresholds"},
            "thresholds": {
                "mode": "absolute",
                "steps": [{"value": value, "color": color} for value, color in self.steps],
            },
            "custom": self.custom,
        }
        if self.decimals is not None:
            defaults["decimals"] = self.decimals
        if self.texts:
            texts = enumerate(self.texts.items())
            options = {value: {"text": text, "index": i} for i, (value, text) in texts}
            defaults["mappings"] = [{"type": "value", "options": options}]
        if self.links:
            defaults["links"] = list(self.links)
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": DATASOURCE,
            "gridPos": {"h": self.height, "w": self.width, "x": x, "y": y},
            "targets": [self._target(i, query) for i, query in enumerate(self.queries)],
            "options": self.options,
            "fieldConfig": {"defaults": defaults, "overrides": list(self.overrides)},
            "transformations": list(self.transformations),
        }

    def _target(self, index: int, query: Query) -> dict[str, Any]:
        target: dict[str, Any] = {
            "refId": string.ascii_uppercase[index],
            "datasource": DATASOURCE,
            "expr": query.expr,
            "legendFormat": query.legend or "__auto",
            "instant": self.is_instant,
            "range": not self.is_instant,
        }
        if self.kind == "table":
            target["format"] = "table"
        return target


def stat(title: str, expr: str, description: str, **more: Any) -> Panel:
    """One number, and its colour."""
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "colorMode": "background" if "steps" in more else "value",
        "graphMode": "none",
        "textMode": "value",
    }
    return Panel(
        "stat", title, description, (Query(expr, more.pop("legend", "")),), options=options, **more
    )


def graph(title: str, description: str, *queries: Query, **more: Any) -> Panel:
    """Lines over time. With ``stacked`` they are areas on top of each other."""
    custom = {"lineWidth": 1, "fillOpacity": 8, "showPoints": "never", "spanNulls": False}
    if more.pop("stacked", False):
        custom |= {"fillOpacity": 40, "stacking": {"mode": "normal", "group": "A"}}
    if "steps" in more:
        custom["thresholdsStyle"] = {"mode": "line"}
    options = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    settings = {"width": 12, "height": 8, "is_instant": False, **more}
    return Panel(
        "timeseries", title, description, queries, options=options, custom=custom, **settings
    )


def timeline(title: str, description: str, *queries: Query, **more: Any) -> Panel:
    """States over time, as bars of their colours."""
    options = {
        "showValue": "never",
        "rowHeight": 0.9,
        "mergeValues": True,
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": False, "calcs": []},
        "tooltip": {"mode": "single", "sort": "none"},
    }
    settings = {"width": 12, "height": 6, "is_instant": False, **more}
    custom = {"lineWidth": 0, "fillOpacity": 80}
    return Panel(
        "state-timeline", title, description, queries, options=options, custom=custom, **settings
    )


@dataclass(frozen=True)
class Column:
    """A column of a table: its query has one sample for each row."""

    title: str
    expr: str
    unit: str = "short"
    steps: Steps = ()
    decimals: int | None = None


def table(title: str, description: str, columns: Sequence[Column], **more: Any) -> Panel:
    """A row for each set of labels of the queries, and a column for each of these."""
    names = {
        f"Value #{string.ascii_uppercase[i]}": column.title for i, column in enumerate(columns)
    }
    organize = {
        "renameByName": names,
        "excludeByName": {"Time": True},
        "indexByName": {},
    }
    settings = {"width": COLUMNS, "height": 8, **more}
    return Panel(
        "table",
        title,
        description,
        tuple(Query(column.expr) for column in columns),
        options={"showHeader": True, "cellHeight": "sm"},
        overrides=tuple(_override(column) for column in columns),
        transformations=({"id": "merge", "options": {}}, {"id": "organize", "options": organize}),
        **settings,
    )


def _override(column: Column) -> dict[str, Any]:
    properties: list[dict[str, Any]] = [{"id": "unit", "value": column.unit}]
    if column.decimals is not None:
        properties.append({"id": "decimals", "value": column.decimals})
    if column.steps:
        steps = [{"value": value, "color": color} for value, color in column.steps]
        properties.append({"id": "thresholds", "value": {"mode": "absolute", "steps": steps}})
        properties.append({"id": "custom.cellOptions", "value": {"type": "color-text"}})
    return {"matcher": {"id": "byName", "options": column.title}, "properties": properties}


def band(panel: Panel, low: str, high: str) -> Panel:
    """The panel, with the room between its lines ``low`` and ``high`` filled: an error's band."""
    edge = (
        {"id": "custom.lineWidth", "value": 0},
        {"id": "custom.hideFrom", "value": {"legend": True, "tooltip": False, "viz": False}},
        {"id": "color", "value": {"mode": "fixed", "fixedColor": "semi-dark-blue"}},
    )
    fill = (
        {"id": "custom.fillBelowTo", "value": low},
        {"id": "custom.fillOpacity", "value": 20},
    )
    empty = {"id": "custom.fillOpacity", "value": 0}
    overrides = (
        {"matcher": {"id": "byName", "options": high}, "properties": [*edge, *fill]},
        {"matcher": {"id": "byName", "options": low}, "properties": [*edge, empty]},
    )
    return replace(panel, overrides=(*panel.overrides, *overrides))
