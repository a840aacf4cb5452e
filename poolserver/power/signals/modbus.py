"""Meters that are read over Modbus/TCP."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import structlog
from pymodbus import ModbusException
from pymodbus.client import AsyncModbusTcpClient

from poolserver.log import RateLimited
from poolserver.power.registers import (
    Register,
    RegisterError,
    decode,
    in_joules,
    in_watts,
    power_of_ten,
)
from poolserver.power.state import MeterReading

# After a connection that could not be made or was given up: the wait until the next one, twice as
# long each time. A gateway that takes four connections must not be filled with ours.
RECONNECT_S = 1.0
MOST_RECONNECT_S = 30.0

# Modbus Application Protocol V1.1b3, 7.
EXCEPTIONS = {
    1: "illegal function",
    2: "illegal address",
    3: "illegal value",
    4: "device failure",
    6: "device busy",
    10: "gateway: no path",
    11: "gateway: the meter does not answer",
}

log = structlog.get_logger(__name__)

# It logs each lost answer as an error; here whoever judges readings is told of a fault.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class ModbusSpec:
    """What is read from a meter, and how often."""

    meter: str
    power: Register
    energy: Register | None = None
    unit_id: int = 1
    poll_s: float = 5.0


class ModbusLine:
    """The connection to a meter, or to a gateway: meters behind one are asked in turn, on one
    connection, for gateways take few. It is made anew when it is needed, and not too often."""

    def __init__(
        self, host: str, port: int, timeout_s: float = 2.0, reconnect_s: float = RECONNECT_S
    ) -> None:
        self._host, self._port, self._timeout_s = host, port, timeout_s
        self._first_pause_s = self._pause_s = reconnect_s
        self._not_before = 0.0
        self._client: AsyncModbusTcpClient | None = None
        self._turn = asyncio.Lock()

    async def words(self, unit_id: int, function: str, address: int, count: int) -> Sequence[int]:
        """Registers of a meter.

        Raises:
            RegisterError: the meter answers that it has not got them.
            ModbusException, OSError: it does not answer, or makes no sense.
        """
        async with self._turn:
            client = await self._connected()
            is_input = function == "input"
            read = client.read_input_registers if is_input else client.read_holding_registers
            try:
                answer = await read(address, count=count, device_id=unit_id)
            except (ModbusException, OSError):
                # What comes late must not be taken for the answer to the next question.
                self._lost()
                raise
        self._pause_s = self._first_pause_s
        if answer.isError():
            said = EXCEPTIONS.get(answer.exception_code, f"exception {answer.exception_code}")
            raise RegisterError(f"the meter refuses register {address}: {said}")
        return answer.registers

    async def _connected(self) -> AsyncModbusTcpClient:
        if self._client is not None:
            return self._client
        trouble = f"no connection to {self._host}:{self._port}"
        if asyncio.get_running_loop().time() < self._not_before:
            raise ConnectionRefusedError(trouble)
        self._client = AsyncModbusTcpClient(
            self._host,
            port=self._port,
            timeout=self._timeout_s,
            retries=0,
            reconnect_delay=0,  # it is made anew here
        )
        if not await self._client.connect():
            self._lost()
            raise ConnectionRefusedError(trouble)
        return self._client

    def _lost(self) -> None:
        self.close()
        self._not_before = asyncio.get_running_loop().time() + self._pause_s
        self._pause_s = min(2 * self._pause_s, MOST_RECONNECT_S)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


class ModbusMeter:
    """Reads a meter for as long as it runs.

    ``on_reading`` gets what it says; ``on_fault``, at each poll that fails, its name and why.
    Where the energy counter cannot be read, power is told without it. ``clock`` is Unix time.
    """

    def __init__(
        self,
        spec: ModbusSpec,
        line: ModbusLine,
        on_reading: Callable[[MeterReading], object],
        on_fault: Callable[[str, str], object],
        clock: Callable[[], float],
    ) -> None:
        self._spec, self._line = spec, line
        self._on_reading, self._on_fault = on_reading, on_fault
        self._clock = clock
        self._counter_trouble = RateLimited(log)

    async def run(self) -> None:
        """Until it is cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                due = loop.time() + self._spec.poll_s
                await self._poll()
                await asyncio.sleep(due - loop.time())
        finally:
            self._line.close()

    async def _poll(self) -> None:
        """One reading, or one fault."""
        spec = self._spec
        try:
            power_w = in_watts(spec.power, *await self._read(spec.power))
            energy_j = await self._energy_j()
        except (ModbusException, RegisterError, OSError) as error:
            self._on_fault(spec.meter, str(error).removeprefix("Modbus Error: "))
        else:
            self._on_reading(MeterReading(spec.meter, self._clock(), power_w, energy_j))

    async def _energy_j(self) -> int | None:
        register, now = self._spec.energy, asyncio.get_running_loop().time()
        if register is None:
            return None
        meter = self._spec.meter
        try:
            energy_j = in_joules(register, *await self._read(register))
        except RegisterError as error:
            self._counter_trouble.failed("meter_counter_not_read", str(error), now, meter=meter)
            return None
        self._counter_trouble.restored("meter_counter_read_again", now, meter=meter)
        return energy_j

    async def _read(self, register: Register) -> tuple[float, Fraction]:
        """The bare value, and the power of ten that the meter wants it multiplied by."""
        unit_id, function = self._spec.unit_id, register.function
        words = await self._line.words(unit_id, function, register.address, register.size)
        if register.exponent_address is None:
            return decode(register, words), Fraction(1)
        exponent = await self._line.words(unit_id, function, register.exponent_address, 1)
        return decode(register, words), power_of_ten(exponent)
