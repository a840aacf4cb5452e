"""What the ways in for signals are made of, worked out from the config."""

import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from poolserver.api.tokens import Token, Tokens
from poolserver.config import Config, Endpoint
from poolserver.config.signals import (
    EnergyRegisterConfig,
    ModbusConfig,
    PowerRegisterConfig,
)
from poolserver.outfit import StartError
from poolserver.power.readings import MeterSpec
from poolserver.power.registers import ENERGY_UNITS_J, POWER_UNITS_W, Register
from poolserver.power.signal import SignalSink

if TYPE_CHECKING:  # it needs the extra
    from poolserver.power.signals.mqtt import MqttBus

EXTRA = 'pip install "poolserver[power]"'


class Source(Protocol):
    """Something that signals come from for as long as it runs."""

    async def run(self) -> None:
        """Until it is cancelled. It raises only what is a bug."""


def meter_specs(config: Config) -> list[MeterSpec]:
    """What is known of each meter."""
    return [
        MeterSpec(
            meter.name,
            int(meter.rated_mw * 1_000_000),
            meter.accuracy_class,
            meter.stale_after_s,
            meter.frozen_after_s or None,
            meter.feeds_back,
            counter_modulus_j=_modulus(meter.modbus),
        )
        for meter in config.meters
    ]


def meters_by(config: Config, source: str) -> frozenset[str]:
    """The names of the meters that are told by ``source``."""
    return frozenset(meter.name for meter in config.meters if meter.source == source)


def api_tokens(config: Config) -> Tokens:
    """The tokens that were given out."""
    return Tokens(
        Token(each.name, each.sha256, frozenset(each.scopes), each.nodes)
        for each in config.api_tokens
    )


def modbus_meters(
    config: Config, sink: SignalSink, clock: Callable[[], float] = time.time
) -> list[Source]:
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


def register(config: PowerRegisterConfig | EnergyRegisterConfig) -> Register:
    """A register, its unit in its scale: watts, or joules."""
    units = POWER_UNITS_W if isinstance(config, PowerRegisterConfig) else ENERGY_UNITS_J
    return Register(
        config.address,
        config.function,
        config.type,
        low_word_first=config.word_order == "low_first",
        scale=config.scale * units[config.unit],
        exponent_address=config.exponent_address,
    )


def _modulus(modbus: ModbusConfig | None) -> int | None:
    return None if modbus is None or modbus.energy is None else register(modbus.energy).modulus
