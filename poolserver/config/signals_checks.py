"""Meters, MQTT and tokens that do not go together with each other or with the tree."""

from collections.abc import Iterator, Mapping

from poolserver.config.checks import each, known, named_variable, repeated
from poolserver.config.errors import Problem
from poolserver.config.kinds import quoted
from poolserver.config.settings import Config
from poolserver.config.signals import MeterConfig, ModbusConfig
from poolserver.config.sites import SiteConfig


def check_signals(config: Config, environ: Mapping[str, str]) -> Iterator[Problem]:
    """Every problem between these settings."""
    meters = list(each("meters", config.meters))
    yield from repeated((f"{path}.name", meter.name) for path, meter in meters)
    yield from _names(config, meters)
    for path, meter in meters:
        yield from _meter(path, meter, has_broker=config.mqtt is not None)
    yield from _mqtt(config, environ)
    yield from _tokens(config)


def _names(config: Config, meters: list[tuple[str, MeterConfig]]) -> Iterator[Problem]:
    """Each meter that is named is there, and is named once; and none is there for nothing."""
    named = [
        (path, name) for path, name in _meter_names(config) if known(name) and name is not None
    ]
    yield from repeated(named)
    if not known(config.meters, config.sites):
        return
    there = {meter.name for _, meter in meters}
    for path, name in named:
        if name not in there and len(meters) == len(config.meters):
            yield Problem(path, f"there is no [[meters]] of the name {quoted(str(name))}")
    for path, meter in meters:
        if known(meter.name) and all(name != meter.name for _, name in named):
            yield Problem(f"{path}.name", "no site, node or AI load names this meter")


def _meter_names(config: Config) -> Iterator[tuple[str, str | None]]:
    for path, site in each("sites", config.sites):
        yield f"{path}.meter", site.meter
        for place, node in each(f"{path}.nodes", site.nodes):
            yield f"{place}.meter", node.meter
        for place, load in each(f"{path}.ai_loads", site.ai_loads):
            yield f"{place}.meter", load.meter


def _meter(path: str, meter: MeterConfig, *, has_broker: bool) -> Iterator[Problem]:
    modbus = meter.modbus
    if meter.source == "modbus" and modbus is None:
        yield Problem(f"{path}.modbus", "is missing: where the meter is")
    if known(meter.source) and meter.source != "modbus" and modbus is not None:
        yield Problem(f"{path}.modbus", 'is for source = "modbus" alone')
    if meter.source == "mqtt" and not has_broker:
        yield Problem(f"{path}.source", "needs a broker: [mqtt]")
    if known(meter.rated_mw) and not meter.rated_mw:
        yield Problem(f"{path}.rated_mw", "must be above 0")
    if known(modbus) and modbus is not None:
        yield from _modbus(f"{path}.modbus", modbus)
        if known(meter.stale_after_s, modbus.poll_s) and meter.stale_after_s < 2 * modbus.poll_s:
            yield Problem(f"{path}.stale_after_s", "must be at least twice modbus.poll_s")


def _modbus(path: str, modbus: ModbusConfig) -> Iterator[Problem]:
    for name, register in (("power", modbus.power), ("energy", modbus.energy)):
        if known(register) and register is not None and known(register.type, register.address):
            words = int(register.type[1:]) // 16
            if register.address + words > 65536:
                yield Problem(f"{path}.{name}.address", "reaches beyond the last register")


def _mqtt(config: Config, environ: Mapping[str, str]) -> Iterator[Problem]:
    mqtt = config.mqtt
    if mqtt is None or not known(mqtt):
        return
    if not known(mqtt.username, mqtt.password, mqtt.password_env):
        return
    passwords = (mqtt.password is not None) + (mqtt.password_env is not None)
    if passwords > 1:
        yield Problem("mqtt", "needs one of password and password_env")
    elif passwords and mqtt.username is None:
        yield Problem("mqtt.username", "is missing: whose password it is")
    yield from named_variable("mqtt.password_env", mqtt.password_env, environ)
    if known(mqtt.tls, mqtt.ca_file) and mqtt.ca_file is not None and not mqtt.tls:
        yield Problem("mqtt.ca_file", "is for tls = true alone")


def _tokens(config: Config) -> Iterator[Problem]:
    tokens = list(each("api_tokens", config.api_tokens))
    yield from repeated((f"{path}.name", token.name) for path, token in tokens)
    yield from repeated((f"{path}.sha256", token.sha256) for path, token in tokens)
    sites = list(each("sites", config.sites))
    is_whole = known(config.sites) and len(sites) == len(config.sites)
    paths = {"/"}.union(*(_paths(site) for _, site in sites))
    for path, token in tokens:
        for place, node in each(f"{path}.nodes", token.nodes):
            if is_whole and node not in paths:
                yield Problem(place, f"there is no node {quoted(node)}")


def _paths(site: SiteConfig) -> Iterator[str]:
    """The paths of a site's nodes, as far as they can be read."""
    paths: dict[str | None, str] = {None: site.name}
    for _, node in each("", site.nodes):
        if known(node.under, node.name) and node.under in paths:
            paths[node.name] = f"{paths[node.under]}/{node.name}"
    yield from paths.values()
