"""What the ways in for signals are made of, worked out from the config."""

import ssl
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from poolserver.config import Config, Endpoint
from poolserver.control_room.meter_outfit import register
from poolserver.control_room.room import Source
from poolserver.control_room.view import PowerView
from poolserver.outfit import StartError
from poolserver.power.signal import SignalSink
from poolserver.power.signals.words import SiteWord
from poolserver.power.state import Method

if TYPE_CHECKING:  # it needs the extra
    from poolserver.power.signals.mqtt import MqttBus

EXTRA = 'pip install "poolserver[power]"'


def meters_by(config: Config, source: str) -> frozenset[str]:
    """The names of the meters that are told by ``source``."""
    return frozenset(meter.name for meter in config.meters if meter.source == source)


def modbus_meters(config: Config, sink: SignalSink, clock: Callable[[], float]) -> list[Source]:
    """The meters that are read over Modbus; ``clock`` is Unix time.

    Raises:
        StartError: the extra that they need is not installed.
    """
    read = [(meter.name, meter.modbus) for meter in config.meters if meter.modbus is not None]
    if not read:
        return []
    try:
        from poolserver.power.signals.modbus import ModbusLine, ModbusMeter, ModbusSpec
    except ImportError as error:
        raise StartError(f'meters with source = "modbus" need {EXTRA} ({error})') from error
    timeouts_s: dict[Endpoint, float] = {}
    for _, modbus in read:
        timeouts_s[modbus.address] = max(modbus.timeout_s, timeouts_s.get(modbus.address, 0.0))
    lines = {address: ModbusLine(*address, timeout) for address, timeout in timeouts_s.items()}
    return [
        ModbusMeter(
            ModbusSpec(
                name,
                register(modbus.power),
                None if modbus.energy is None else register(modbus.energy),
                modbus.unit_id,
                modbus.poll_s,
            ),
            lines[modbus.address],
            sink.take_reading,
            sink.take_fault,
            clock,
        )
        for name, modbus in read
    ]


def mqtt_bus(config: Config, sink: SignalSink) -> "MqttBus | None":
    """The connection to the broker, if there is to be one.

    Raises:
        StartError: the extra that it needs is not installed, or the CA's file cannot be used.
    """
    mqtt = config.mqtt
    if mqtt is None:
        return None
    try:
        from poolserver.power.signals.mqtt import MqttBus, MqttSpec
    except ImportError as error:
        raise StartError(f"[mqtt] needs {EXTRA} ({error})") from error
    spec = MqttSpec(
        mqtt.address.host,
        mqtt.address.port,
        mqtt.prefix,
        config.instance_id,
        mqtt.username,
        None if mqtt.password is None else mqtt.password.reveal(),
        _trust(mqtt.ca_file) if mqtt.tls else None,
    )
    return MqttBus(spec, sink, meters_by(config, "mqtt"))


def _trust(ca_file: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise StartError(f"mqtt.ca_file: {error}") from error


def site_words(view: PowerView) -> dict[str, SiteWord]:
    """What others are told of each site; ``state`` is that of the whole pool.

    Nothing is told of a site that nothing is known of yet, as after a start: 0 W would be believed.
    """
    return {
        node.name: SiteWord(
            view.at, node.total_w.value, node.total_w.sigma, node.limit_w, view.state
        )
        for node in view.nodes
        if node.kind == "site" and node.method != Method.NOTHING
    }
