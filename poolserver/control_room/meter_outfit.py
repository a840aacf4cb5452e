"""What is known of meters beforehand, made of the configuration."""

from poolserver.config import Config
from poolserver.config.signals import EnergyRegisterConfig, ModbusConfig, PowerRegisterConfig
from poolserver.power.readings import MeterSpec
from poolserver.power.registers import ENERGY_UNITS_J, POWER_UNITS_W, Register


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
