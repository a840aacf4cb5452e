"""The settings on what comes in from outside: meters, MQTT, tokens of the HTTP API."""

from fractions import Fraction
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from poolserver.config.kinds import doc, exact
from poolserver.config.values import (
    FilePath,
    Megawatts,
    Password,
    PowerNodeName,
    RemoteEndpoint,
    TopicPrefix,
)

RegisterAddress = Annotated[int, Meta(ge=0, le=65535)]
RegisterTypeName = Literal["u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64"]


class PowerRegisterConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Where a meter keeps its power."""

    address: Annotated[
        RegisterAddress,
        doc("As on the wire, from 0: what a manual calls 30001 or 40001 is 0."),
    ]
    function: Annotated[
        Literal["holding", "input"], doc("Holding registers (4xxxx) or input registers (3xxxx).")
    ] = "holding"
    type: Annotated[RegisterTypeName, doc("How many bits, and what they are.")] = "f32"
    word_order: Annotated[
        Literal["high_first", "low_first"], doc("Which register of a wide value comes first.")
    ] = "high_first"
    scale: Annotated[Fraction, exact(gt=0, le=10**9), doc("Times this.")] = Fraction(1)
    exponent_address: Annotated[
        RegisterAddress | None,
        doc("Of a register with a power of ten to multiply by, as SunSpec has."),
    ] = None
    unit: Annotated[Literal["W", "kW", "MW"], doc("Its unit.")]


class EnergyRegisterConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Where a meter keeps its energy counter, if it has one: the energy books are then exact."""

    address: Annotated[RegisterAddress, doc("As above.")]
    function: Annotated[Literal["holding", "input"], doc("As above.")] = "holding"
    type: Annotated[RegisterTypeName, doc("As above.")] = "u32"
    word_order: Annotated[Literal["high_first", "low_first"], doc("As above.")] = "high_first"
    scale: Annotated[Fraction, exact(gt=0, le=10**9), doc("Times this.")] = Fraction(1)
    exponent_address: Annotated[RegisterAddress | None, doc("As above.")] = None
    unit: Annotated[Literal["Wh", "kWh", "MWh"], doc("Its unit.")]


class ModbusConfig(msgspec.Struct, frozen=True, kw_only=True):
    """Where a meter is read over Modbus/TCP, and its register map."""

    address: Annotated[RemoteEndpoint, doc("Of the meter or its gateway; Modbus has port 502.")]
    unit_id: Annotated[int, Meta(ge=0, le=255), doc("Of the meter behind a gateway.")] = 1
    poll_s: Annotated[float, Meta(ge=0.5, le=3600), doc("How often it is read.")] = 5.0
    timeout_s: Annotated[float, Meta(ge=0.1, le=60), doc("How long an answer may take.")] = 2.0
    power: PowerRegisterConfig
    energy: EnergyRegisterConfig | None = None


class MeterConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A meter, which one site, node or AI load names. [Signals](signals.md) tells how its readings
    are judged.
    """

    name: Annotated[PowerNodeName, doc("As sites, nodes and AI loads name it; in MQTT topics too.")]
    source: Annotated[
        Literal["modbus", "mqtt", "http"],
        doc("Whether the pool reads it, or is told by MQTT or by the HTTP API."),
    ]
    rated_mw: Annotated[
        Megawatts,
        doc("What its load draws at the most: more than twice that is not believed."),
    ]
    accuracy_class: Annotated[
        float, Meta(ge=0, le=20), doc("Its error at the most, in percent, as in IEC 62053.")
    ] = 1.0
    stale_after_s: Annotated[
        float, Meta(ge=1, le=86_400), doc("A reading that is older says nothing any more.")
    ] = 60.0
    frozen_after_s: Annotated[
        float,
        Meta(ge=0, le=10**7),
        doc("The same figure for so long is no measurement. 0: it may be, of a coarse meter."),
    ] = 900.0
    feeds_back: Annotated[bool, doc("Whether power may flow out, and be negative.")] = False
    modbus: ModbusConfig | None = None


class MqttConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The MQTT broker that tells of meters, AI loads and budgets, and is told what sites draw."""

    address: Annotated[RemoteEndpoint, doc("The broker; MQTT has port 1883, with TLS 8883.")]
    prefix: Annotated[TopicPrefix, doc("What all topics begin with.")] = "poolserver"
    username: Annotated[str | None, doc("The login, if it asks for one.")] = None
    password: Annotated[
        Password | None, doc("The password. `password_env` keeps it out of the file.")
    ] = None
    password_env: Annotated[
        str | None, doc("Name of an environment variable that holds the password.")
    ] = None
    tls: Annotated[bool, doc("Whether to speak TLS, and to check the broker's certificate.")] = (
        False
    )
    ca_file: Annotated[
        FilePath | None, doc("Who may have signed that.", default="whom this machine trusts")
    ] = None
