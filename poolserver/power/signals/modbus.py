"""A meter that is read over Modbus/TCP."""

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
    """Where a meter is, and what is read from it."""

    meter: str
    host: str
    port: int
    power: Register
    energy: Register | None = None
    unit_id: int = 1
    poll_s: float = 5.0
    timeout_s: float = 2.0


class ModbusMeter:
    """Reads a meter for as long as it runs, and connects again whatever happens.

    ``on_reading`` gets what it says; ``on_fault``, at each poll that fails, its name and why.
    Where the energy counter cannot be read, power is told without it. ``clock`` is Unix time.
    """

    def __init__(
        self,
        spec: ModbusSpec,
        on_reading: Callable[[MeterReading], object],
        on_fault: Callable[[str, str], object],
        clock: Callable[[], float],
        reconnect_s: float = RECONNECT_S,
    ) -> None:
        self._spec = spec
        self._on_reading, self._on_fault = on_reading, on_fault
        self._clock = clock
        self._first_reconnect_s = self._reconnect_s = reconnect_s
        self._counter_trouble = RateLimited(log)
        self._client: AsyncModbusTcpClient | None = None

    async def run(self) -> None:
        """Until it is cancelled."""
        loop = asyncio.get_running_loop()
        try:
            while True:
                due = loop.time() + self._spec.poll_s
                await self._poll()
                if self._client is None:
                    due = max(due, loop.time() + self._reconnect_s)
                    self._reconnect_s = min(2 * self._reconnect_s, MOST_RECONNECT_S)
                await asyncio.sleep(due - loop.time())
        finally:
            self._close()

    async def _poll(self) -> None:
        """One reading, or one fault."""
        spec = self._spec
        try:
            power_w = in_watts(spec.power, *await self._read(spec.power))
            energy_j = await self._energy_j()
        except (ModbusException, RegisterError, OSError) as error:
            if not isinstance(error, RegisterError):
                # What comes late must not be taken for the answer to the next question.
                self._close()
            self._on_fault(spec.meter, str(error).removeprefix("Modbus Error: "))
            return
        self._reconnect_s = self._first_reconnect_s
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
        words = await self._words(register, register.address, register.size)
        if register.exponent_address is None:
            return decode(register, words), Fraction(1)
        exponent = await self._words(register, register.exponent_address, 1)
        return decode(register, words), power_of_ten(exponent)

    async def _words(self, register: Register, address: int, count: int) -> Sequence[int]:
        """The registers.

        Raises:
            RegisterError: the meter answers that it has not got them.
            ModbusException, OSError: it does not answer, or makes no sense.
        """
        client = await self._connected()
        is_input = register.function == "input"
        read = client.read_input_registers if is_input else client.read_holding_registers
        answer = await read(address, count=count, device_id=self._spec.unit_id)
        if answer.isError():
            code = answer.exception_code
            said = EXCEPTIONS.get(code, f"exception {code}")
            raise RegisterError(f"the meter refuses register {address}: {said}")
        return answer.registers

    async def _connected(self) -> AsyncModbusTcpClient:
        spec = self._spec
        if self._client is None:
            self._client = AsyncModbusTcpClient(
                spec.host,
                port=spec.port,
                timeout=spec.timeout_s,
                retries=0,
                reconnect_delay=0,  # it is made anew here
            )
            if not await self._client.connect():
                raise ConnectionRefusedError(f"no connection to {spec.host}:{spec.port}")
        return self._client

    def _close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
