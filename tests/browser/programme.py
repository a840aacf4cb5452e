"""A made-up programme that the live page shows in tests and in the documents' pictures.

Three sites, 12 transformers, 240 containers, 9,600 racks and 100,000 rigs. What is told of them
adds up: a node's power is that of what is below it. No amounts or hashes are of anybody.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

from poolserver.control_room.detail import LimitAhead, NodeDetail, RigView, WindowView
from poolserver.control_room.view import (
    CalibrationView,
    Figure,
    LimitView,
    MeterView,
    NodeView,
    PowerView,
)
from poolserver.lookout.view import (
    BlockLine,
    Hashrates,
    History,
    NodeStatus,
    PowerStatus,
    RejectRatios,
    RigLine,
    Shares,
    SiteStatus,
    Status,
    TemplateStatus,
    Trouble,
)
from tests.browser.ground import (
    CONTAINERS,
    J_PER_TH,
    MW,
    NOW,
    PROGRAMME_LIMIT,
    RACKS,
    RIG_W,
    RIGS,
    SITES,
    TRANSFORMERS,
    Site,
    all_rigs,
    hashrate_of,
    noise,
)
from tests.browser.past import made_up_block, made_up_history


@dataclass
class Programme:
    """What a pool would tell. ``tick`` moves its figures by a little."""

    troubles: tuple[Trouble, ...] = ()
    tick: int = 0
    _power: PowerView | None = None
    _power_until: int = 0

    @property
    def at(self) -> float:
        return NOW + 2 * self.tick

    def power(self) -> PowerView:
        """The whole tree, each node before those below it; another one each fifth tick."""
        if self._power is None or self.tick >= self._power_until:
            self._power, self._power_until = self._new_power(), self.tick + 5
        return self._power

    def _new_power(self) -> PowerView:
        intended = (
            "would shed 312 rigs, 1.1 MW, of Sahiwal/T2: AI hall +3 MW; binding: transformer T2",
        )
        return PowerView(self.at, "observe", "observe", self._nodes(), intended)

    def configured(self) -> PowerView:
        """As the stream has it."""
        whole = self.power()
        nodes = tuple(node for node in whole.nodes if node.configured)
        return PowerView(whole.at, whole.mode, whole.state, nodes, whole.intended)

    def _nodes(self) -> tuple[NodeView, ...]:
        sites = [self._site(site) for site in SITES]
        tops = [nodes[0] for nodes in sites]
        programme = _above("/", "/", "programme", 0, tops, limits=(PROGRAMME_LIMIT,))
        return (programme, *(node for nodes in sites for node in nodes))

    def _site(self, site: Site) -> list[NodeView]:
        below = [
            self._transformer(site, number, site.part * RIGS / TRANSFORMERS)
            for number in range(1, TRANSFORMERS + 1)
        ]
        tops = [nodes[0] for nodes in below]
        meter = MeterView(f"{site.name.lower()}-main", "good", "", None, self.at - 1)
        own = _above(
            site.name, site.name, "site", 1, tops, limits=(site.limit,), ai_w=site.ai_w, meter=meter
        )
        return [own, *(node for nodes in below for node in nodes)]

    def _transformer(self, site: Site, number: int, rigs: float) -> list[NodeView]:
        path = f"{site.name}/T{number}"
        below = [self._container(path, i, rigs / CONTAINERS) for i in range(1, CONTAINERS + 1)]
        tops = [nodes[0] for nodes in below]
        drawn_w = sum(node.total_w.value for node in tops)
        tight = 1.012 if path == "Sahiwal/T2" else 1.15
        limit = LimitView(int(round(drawn_w * tight, -5)), "physical", "transformer", "", None)
        doubted = path == "ChinaHub/T3"
        meter = MeterView(
            f"{path.lower().replace('/', '-')}",
            "stale" if doubted else "good",
            "no reading for 4 min" if doubted else "",
            None,
            self.at - (240 if doubted else 3),
        )
        own = _above(path, f"T{number}", "transformer", 2, tops, limits=(limit,), meter=meter)
        return [own, *(node for nodes in below for node in nodes)]

    def _container(self, above: str, number: int, rigs: float) -> list[NodeView]:
        path = f"{above}/C{number:02d}"
        racks = [self._rack(path, i, rigs / RACKS) for i in range(1, RACKS + 1)]
        return [_above(path, f"C{number:02d}", "container", 3, racks), *racks]

    def _rack(self, above: str, number: int, rigs: float) -> NodeView:
        path = f"{above}/R{number:02d}"
        count = round(number * rigs) - round((number - 1) * rigs)
        power_w = count * RIG_W * (1 + 0.02 * noise(path) + 0.0005 * noise(path, self.tick))
        mining = Figure(power_w, 0.03 * power_w)
        return NodeView(
            path=path,
            name=f"R{number:02d}",
            kind="rack",
            depth=4,
            configured=False,
            total_w=mining,
            method="shares",
            estimated_w=mining,
            mining_w=mining,
            ai_w=0.0,
            ai_known=True,
            residual_w=None,
            hashrate_h_s=Figure(hashrate_of(power_w), hashrate_of(power_w) * 0.05),
            accepted_h_s=hashrate_of(power_w),
            rigs=count,
            silent=1 if noise(path, "silent") > 0.995 else 0,
            limit_w=None,
            headroom_w=None,
            limits=(),
            meter=None,
            calibration=None,
        )

    def power_status(self, node: NodeView) -> PowerStatus:
        return PowerStatus(
            total_w=node.total_w,
            mining_w=node.mining_w,
            ai_w=node.ai_w,
            limit_w=node.limit_w,
            headroom_w=node.headroom_w,
            binding=node.limits[0] if node.limits else None,
            metered_w=node.meter.power_w if node.meter else None,
            residual_w=node.residual_w,
            j_per_th=node.mining_w.value / node.hashrate_h_s.value * 1e12,
        )

    def status(self) -> Status:
        top = self.configured().nodes[0]
        return Status(
            at=self.at,
            version="0.1.0",
            network="main",
            instance_id="made-up",
            started_at=NOW - 9.3 * 86_400,
            config_sha256=sha256(b"made up").hexdigest(),
            last_reload=None,
            not_ready_because=None,
            troubles=self.troubles,
            hashrate_h_s=_hashrates(top.hashrate_h_s.value),
            shares=Shares(38_412_207 + 3333 * self.tick, 92_133, 24_480),
            rejects=RejectRatios(0.00231, 0.00064, 0.0024, 0.00063),
            best_difficulty=3.482e13,
            rigs=top.rigs,
            silent_rigs=top.silent,
            connections=1412,
            worker_processes=4,
            template=TemplateStatus(926_418, 4.2 + self.tick % 5, 3284, 318_402_911, False),
            round_effort=0.62,
            luck=1.07,
            blocks={
                "found": 0, "accepted": 2, "mature": 34, "stale": 0, "orphaned": 1, "rejected": 0,
            },
            journal_lag_s=0.4,
            power=self.power_status(top),
            power_mode="observe",
            power_state="shedding",
            intended=self.configured().intended,
        )  # fmt: skip

    def sites(self) -> list[SiteStatus]:
        nodes = {node.path: node for node in self.configured().nodes}
        return [
            SiteStatus(
                name=site.name,
                budget_w=site.limit.limit_w,
                hashrate_h_s=_hashrates(nodes[site.name].hashrate_h_s.value),
                shares=Shares(12_000_000, 30_000, 8_000),
                rejects=RejectRatios(0.0023, 0.0006, 0.0024, 0.0006),
                rigs=nodes[site.name].rigs,
                silent_rigs=nodes[site.name].silent,
                energy_j=10**15,
                best_difficulty=1e13,
                work_scale=1,
                power=self.power_status(nodes[site.name]),
            )
            for site in SITES
        ]

    @cached_property
    def rigs(self) -> list[RigLine]:
        """By site, transformer, container, rack."""
        return list(all_rigs())

    def detail(self, path: str) -> NodeDetail | None:
        node = next((node for node in self.power().nodes if node.path == path), None)
        if node is None:
            return None
        windows = tuple(
            _window(window_s, node.estimated_w.value, 0.1 / math.sqrt(window_s / 60) * 0.05)
            for window_s in (60.0, 300.0, 900.0, 3600.0, 21_600.0, 86_400.0)
        )
        ahead = LimitAhead(NOW + 6 * 3600 - 120, 240 * MW, "NTDC") if node.depth < 2 else None
        here = [rig for rig in self.rigs[:20_000] if rig.node == path][:12]
        return NodeDetail(node, windows, ahead, tuple(map(_rig_view, here)), 0)

    def nodes(self) -> list[NodeStatus]:
        return [
            NodeStatus("knots-1", True, True, True, 926_417, 0, 64, 0.0021, 4.2),
            NodeStatus("core-2", True, False, True, 926_417, 0, 31, 0.0048, 6.9),
            NodeStatus("core-3", True, False, True, 926_416, 1, 12, 0.0312, 41.0),
        ]

    def blocks(self) -> list[BlockLine]:
        return [made_up_block(i) for i in range(37)]

    def history(self, span: str, site: str) -> History:
        part = next((each.part for each in SITES if each.name == site), 1.0)
        return made_up_history(span, part)


def _above(
    path: str,
    name: str,
    kind: str,
    depth: int,
    below: list[NodeView],
    *,
    limits: tuple[LimitView, ...] = (),
    ai_w: float = 0.0,
    meter: MeterView | None = None,
) -> NodeView:
    """A node of those right below it. Where it has a meter, that shows a little more."""
    pue = 1.02 if kind == "transformer" else 1.0
    estimated_w = pue * sum(node.estimated_w.value for node in below)
    mining_w = pue * sum(node.mining_w.value for node in below)
    below_ai_w = sum(node.ai_w for node in below) + ai_w
    sigma_w = mining_w * 0.004 + 2000
    is_believed = meter is not None and meter.quality == "good"
    metered_w = estimated_w * (1.0117 + 0.002 * noise(path)) + below_ai_w
    if is_believed:
        mining_w = metered_w - below_ai_w
    total_w = mining_w + below_ai_w
    total = Figure(total_w, 0.0025 * total_w if is_believed else sigma_w)
    limit_w = limits[0].limit_w if limits else None
    if meter is not None:
        meter = MeterView(meter.name, meter.quality, meter.reason, metered_w, meter.at)
    rate = sum(node.hashrate_h_s.value for node in below)
    return NodeView(
        path=path,
        name=name,
        kind=kind,
        depth=depth,
        configured=True,
        total_w=total,
        method="meter" if is_believed else "sum" if depth < 2 else "calibrated",
        estimated_w=Figure(estimated_w, sigma_w),
        mining_w=Figure(mining_w, sigma_w),
        ai_w=below_ai_w,
        ai_known=True,
        residual_w=Figure(mining_w - estimated_w, 2 * sigma_w) if is_believed else None,
        hashrate_h_s=Figure(rate, rate * 0.004),
        accepted_h_s=rate * 0.997,
        rigs=sum(node.rigs for node in below),
        silent=sum(node.silent for node in below),
        limit_w=limit_w,
        headroom_w=None if limit_w is None else limit_w - total.value,
        limits=limits,
        meter=meter,
        calibration=CalibrationView(1.0123, 0.0041, 1.0117, "settled") if is_believed else None,
        mining_limits=(),
    )


def _hashrates(value: float) -> Hashrates:
    sigmas = (0.011, 0.005, 0.003, 0.0015, 0.0006, 0.0003, 0.0001)
    scales = (1.002, 0.999, 1.0, 0.998, 1.004, 1.01, 0.997)
    return Hashrates(
        *(Figure(value * scale, value * sigma) for scale, sigma in zip(scales, sigmas, strict=True))
    )


def _window(window_s: float, power_w: float, relative: float) -> WindowView:
    rate = hashrate_of(power_w)
    spread = 1.96 * relative
    return WindowView(
        window_s,
        Figure(rate, rate * relative),
        rate * (1 - spread),
        rate * (1 + spread),
        Figure(power_w, power_w * relative),
        power_w * (1 - spread),
        power_w * (1 + spread),
        1 / relative**2,
        rate * 0.997,
    )


def _rig_view(rig: RigLine) -> RigView:
    windows = tuple(_window(each, RIG_W, 0.4 / math.sqrt(each / 60)) for each in (60.0, 3600.0))
    return RigView(
        rig.worker, rig.address, rig.model, rig.model, J_PER_TH, "name rule", "data sheet",
        rig.state, 0.4, windows,
    )  # fmt: skip
