"""The pool's configuration: a TOML file into a frozen ``Config``, with every error at its path.

kinds, values       what a single setting may be
settings            all settings: names, types, limits, defaults, descriptions
rigs, ledger, sites, power, budgets, rig_models, signals, http, metrics, tariff, simulation
                    those of one part of the pool
walk, errors        TOML's tree into settings, and what is wrong with it
checks, signals_checks, budget_checks, energy_checks, rig_models_checks
                    settings that do not go together
load                files, defaults that depend on other settings
fingerprint         which configuration it is, however it is written
writing             a configuration as a file for people
reference, schema   docs/configuration.md's tables, docs/poolserver.schema.json
"""

from poolserver.config.errors import ConfigError, Problem
from poolserver.config.http import HttpConfig
from poolserver.config.ledger import JournalConfig, LedgerConfig
from poolserver.config.load import load_config, parse_config
from poolserver.config.reference import settings_reference
from poolserver.config.rigs import LimitsConfig, ListenerConfig, StratumConfig
from poolserver.config.schema import config_schema
from poolserver.config.settings import (
    AuthConfig,
    Config,
    LogConfig,
    NodeConfig,
    PayoutConfig,
    TemplatesConfig,
)
from poolserver.config.sites import SiteConfig
from poolserver.config.values import Endpoint, Secret

__all__ = [
    "AuthConfig",
    "Config",
    "ConfigError",
    "Endpoint",
    "HttpConfig",
    "JournalConfig",
    "LedgerConfig",
    "LimitsConfig",
    "ListenerConfig",
    "LogConfig",
    "NodeConfig",
    "PayoutConfig",
    "Problem",
    "Secret",
    "SiteConfig",
    "StratumConfig",
    "TemplatesConfig",
    "config_schema",
    "load_config",
    "parse_config",
    "settings_reference",
]
