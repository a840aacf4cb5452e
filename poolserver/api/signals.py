"""Budgets, AI loads and readings by HTTP, from those who have a token."""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Annotated

import msgspec
from msgspec import Meta

from poolserver.api.endpoint import Call, Endpoint
from poolserver.api.problem import ApiError
from poolserver.power.signal import (
    BudgetSignal,
    OutdatedSignalError,
    SignalError,
    SignalSink,
    UnknownSignalError,
)
from poolserver.power.signals.words import (
    AiLoadWord,
    BudgetWord,
    MeterWord,
    WordError,
    ai_load_signal,
    budget_signal,
    meter_reading,
)
from poolserver.power.tree import PROGRAMME, PowerTree

_REFUSALS = ("not_found", "outdated", "refused")


class BudgetQuery(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of what takes a budget back."""

    of_mining: Annotated[bool, Meta(description="That of mining alone, not that of all load.")] = (
        False
    )


class Judged(msgspec.Struct, frozen=True):
    """What is thought of a reading; docs/signals.md lists the qualities."""

    quality: str
    reason: str


def signal_endpoints(
    sink: SignalSink,
    tree: PowerTree,
    http_meters: Container[str],
    clock: Callable[[], float],
) -> Sequence[Endpoint]:
    """The endpoints. ``http_meters`` are those that may be told here; ``clock`` is Unix time."""
    return [
        *_budget_endpoints(sink, clock),
        _ai_load_endpoint(sink, tree, clock),
        *_meter_endpoints(sink, tree, http_meters, clock),
    ]


def _budget_endpoints(sink: SignalSink, clock: Callable[[], float]) -> Sequence[Endpoint]:
    def put(node: str, call: Call) -> None:
        with _refusals():
            name = call.named.name
            sink.take_budget(budget_signal(node, call.body, name, call.by, clock()))

    def take_back(node: str, call: Call) -> None:
        name, of_mining = call.named.name, call.query.of_mining
        with _refusals():
            sink.take_budget(
                BudgetSignal(node, None, name, clock(), issued_by=call.by, of_mining=of_mining)
            )

    async def put_programme_budget(call: Call) -> None:
        put(PROGRAMME, call)

    async def delete_programme_budget(call: Call) -> None:
        take_back(PROGRAMME, call)

    async def put_node_budget(call: Call) -> None:
        put(call.path["path"], call)

    async def delete_node_budget(call: Call) -> None:
        take_back(call.path["path"], call)

    return [
        Endpoint(
            "PUT",
            "/programme/budget",
            "Say what all sites together may draw",
            put_programme_budget,
            scope="budget",
            body=BudgetWord,
            node_of=lambda call: PROGRAMME,
            problems=_REFUSALS,
        ),
        Endpoint(
            "DELETE",
            "/programme/budget",
            "Take one's budget of all sites back",
            delete_programme_budget,
            scope="budget",
            query=BudgetQuery,
            node_of=lambda call: PROGRAMME,
            problems=_REFUSALS,
        ),
        Endpoint(
            "PUT",
            "/nodes/{path:.+}/budget",
            "Say what a power node may draw",
            put_node_budget,
            scope="budget",
            body=BudgetWord,
            node_of=_path,
            problems=_REFUSALS,
        ),
        Endpoint(
            "DELETE",
            "/nodes/{path:.+}/budget",
            "Take one's budget of a power node back",
            delete_node_budget,
            scope="budget",
            query=BudgetQuery,
            node_of=_path,
            problems=_REFUSALS,
        ),
    ]


def _ai_load_endpoint(sink: SignalSink, tree: PowerTree, clock: Callable[[], float]) -> Endpoint:
    node_of_load = {(node.site, load.name): node.path for node in tree for load in node.ai_loads}

    def node_of(call: Call) -> str:
        site = call.path["site"]
        return node_of_load.get((site, call.path["name"]), site)

    async def put_ai_load(call: Call) -> None:
        site, name = call.path["site"], call.path["name"]
        with _refusals():
            sink.take_ai_load(ai_load_signal(site, name, call.body, call.named.name, clock()))

    return Endpoint(
        "PUT",
        "/ai-loads/{site}/{name}",
        "Tell what an AI load draws",
        put_ai_load,
        scope="ai-load",
        body=AiLoadWord,
        node_of=node_of,
        problems=_REFUSALS,
    )


def _meter_endpoints(
    sink: SignalSink,
    tree: PowerTree,
    http_meters: Container[str],
    clock: Callable[[], float],
) -> Sequence[Endpoint]:
    nodes = node_of_meters(tree)

    async def put_reading(call: Call) -> Judged:
        name = call.path["name"]
        if name not in http_meters:
            raise ApiError("not_found", f"there is no meter {name[:200]} that is told by HTTP")
        with _refusals():
            state = sink.take_reading(meter_reading(name, call.body, clock()))
        return Judged(state.quality.value, state.reason)

    async def accept_calibration(call: Call) -> None:
        with _refusals():
            sink.accept_calibration(call.path["path"])

    return [
        Endpoint(
            "PUT",
            "/meters/{name}",
            "Tell what a meter reads",
            put_reading,
            scope="meter",
            body=MeterWord,
            answer=Judged,
            node_of=lambda call: nodes.get(call.path["name"], PROGRAMME),
            problems=("not_found", "refused"),
        ),
        Endpoint(
            "POST",
            "/nodes/{path:.+}/calibration/accept",
            "Say that a node's meter is right: it teaches anew",
            accept_calibration,
            scope="meter",
            node_of=_path,
            problems=("not_found",),
        ),
    ]


def _path(call: Call) -> str:
    return call.path["path"]


@contextmanager
def _refusals() -> Iterator[None]:
    """What is refused, as the problem that it is."""
    try:
        yield
    except UnknownSignalError as error:
        raise ApiError("not_found", str(error)) from None
    except OutdatedSignalError as error:
        raise ApiError("outdated", str(error)) from None
    except (SignalError, WordError) as error:
        raise ApiError("refused", str(error)) from None


def node_of_meters(tree: PowerTree) -> Mapping[str, str]:
    """The node that each meter of the tree, or of an AI load in it, is at."""
    found: dict[str, str] = {}
    for node in tree:
        if node.meter is not None:
            found[node.meter] = node.path
        found.update({load.meter: node.path for load in node.ai_loads if load.meter is not None})
    return found
