"""A configuration file into a ``Config``."""

import os
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from math import isfinite
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from poolserver.config.budget_checks import check_budgets
from poolserver.config.checks import check, known
from poolserver.config.energy_checks import check_energy
from poolserver.config.errors import ConfigError, Problem
from poolserver.config.ledger import LedgerConfig
from poolserver.config.rig_models_checks import check_rig_models
from poolserver.config.rigs import ListenerConfig, StratumConfig
from poolserver.config.settings import Config, NodeConfig
from poolserver.config.signals import MqttConfig
from poolserver.config.signals_checks import check_signals
from poolserver.config.values import Secret
from poolserver.config.walk import walk

START_DIFFICULTY = 65536.0
MIN_DIFFICULTY = 1.0
# 4,096 hashes, and one: what a test in Python can find in no time.
REGTEST_START_DIFFICULTY = 2.0**-20
REGTEST_MIN_DIFFICULTY = 2.0**-32


def load_config(path: str | Path, environ: Mapping[str, str] = os.environ) -> Config:
    """Read a file. Passwords named by ``password_env`` are taken from ``environ``.

    Raises:
        ConfigError: with every problem of the file.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ConfigError([Problem(str(path), f"cannot be read: {error.strerror}")]) from error
    try:
        text = data.decode("utf-8-sig")  # some editors open a file with a byte order mark
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(str(path), f"is not UTF-8: line {line}")]) from error
    folder = Path(path).absolute().parent
    return parse_config(text, source=str(path), folder=folder, environ=environ)


def parse_config(text: str, *, source: str, folder: Path, environ: Mapping[str, str]) -> Config:
    """Read a configuration's text. Pure: ``source`` names it in errors, ``folder`` is where it is.

    Raises:
        ConfigError: with every problem of the text.
    """
    problems: list[Problem] = []
    config = walk(Config, _parse_toml(text, source), problems)
    problems.extend(check(config, environ))
    problems.extend(check_signals(config, environ))
    problems.extend(check_rig_models(config))
    problems.extend(check_budgets(config))
    problems.extend(check_energy(config))
    if problems:
        raise ConfigError(problems)
    return replace(
        config,
        data_dir=folder / config.data_dir,
        nodes=tuple(_worked_out_node(node, folder, environ) for node in config.nodes),
        listeners=tuple(
            _worked_out_listener(each, config.network, folder) for each in config.listeners
        ),
        ledger=_worked_out_ledger(config, folder, environ),
        stratum=_worked_out_stratum(config.stratum, folder),
        mqtt=config.mqtt and _worked_out_mqtt(config.mqtt, folder, environ),
    )


def _parse_toml(text: str, source: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text, parse_float=_decimal)
    except RecursionError:
        trouble = "is nested too deeply"
    except ValueError as error:  # TOMLDecodeError; from the parser's int() a plain ValueError
        end = f"line {text.count(chr(10)) + 1}, column {len(text) - text.rfind(chr(10))}"
        trouble = f"is not TOML: {error}".replace("(at end of document)", f"(at the end, {end})")
    raise ConfigError([Problem(source, trouble)])


def _decimal(written: str) -> Decimal:
    """A number just as written. TOML's range is a double's: beyond it is infinity, or nothing."""
    value = float(written)
    return Decimal(written) if value and isfinite(value) else Decimal(value)


def _worked_out_node(node: NodeConfig, folder: Path, environ: Mapping[str, str]) -> NodeConfig:
    if node.password_env is not None:
        return replace(node, password=Secret(environ[node.password_env]))
    return replace(node, cookie_file=node.cookie_file and folder / node.cookie_file)


def _worked_out_ledger(config: Config, folder: Path, environ: Mapping[str, str]) -> LedgerConfig:
    key_file = config.ledger.signing_key_file or config.data_dir / "ledger.key"
    ledger = replace(config.ledger, signing_key_file=folder / key_file)
    if ledger.postgresql_password_env is None:
        return ledger
    return replace(ledger, postgresql_password=Secret(environ[ledger.postgresql_password_env]))


def _worked_out_stratum(stratum: StratumConfig, folder: Path) -> StratumConfig:
    return replace(stratum, firmware_file=stratum.firmware_file and folder / stratum.firmware_file)


def _worked_out_mqtt(mqtt: MqttConfig, folder: Path, environ: Mapping[str, str]) -> MqttConfig:
    mqtt = replace(mqtt, ca_file=mqtt.ca_file and folder / mqtt.ca_file)
    if mqtt.password_env is None:
        return mqtt
    return replace(mqtt, password=Secret(environ[mqtt.password_env]))


def _worked_out_listener(listener: ListenerConfig, network: str, folder: Path) -> ListenerConfig:
    """With its default difficulties: the network's, moved to agree with those that are written."""
    on_regtest = network == "regtest"
    lowest, start = listener.min_difficulty, listener.start_difficulty
    highest = listener.max_difficulty
    if not known(lowest):
        default = REGTEST_MIN_DIFFICULTY if on_regtest else MIN_DIFFICULTY
        lowest = min(default, start if known(start) else highest, highest)
    if not known(start):
        default = REGTEST_START_DIFFICULTY if on_regtest else START_DIFFICULTY
        start = min(max(default, lowest), highest)
    return replace(
        listener,
        min_difficulty=lowest,
        start_difficulty=start,
        tls_cert=listener.tls_cert and folder / listener.tls_cert,
        tls_key=listener.tls_key and folder / listener.tls_key,
    )
