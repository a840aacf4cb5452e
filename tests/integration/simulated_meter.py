"""A meter of pymodbus's own simulator, on a free port of this machine."""

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

POWER, ENERGY, SUNSPEC = 1000, 1010, 2000


class SimulatedMeter:
    """pymodbus's server on a free port; ``refuses`` is what it answers in place of values."""

    def __init__(self) -> None:
        self.refuses: dict[int, ExcCodes] = {}
        self.port = 0
        self._server: ModbusTcpServer | None = None

    async def start(self) -> None:
        data = [
            SimData(POWER, values=[412.5], datatype=DataType.FLOAT32),
            SimData(ENERGY, values=[0x86A0, 0x0001], datatype=DataType.REGISTERS),  # 100,000
            SimData(SUNSPEC, values=[1234, 2], datatype=DataType.REGISTERS),
        ]
        device = SimDevice(7, data, action=self._action)
        self._server = ModbusTcpServer(device, address=("127.0.0.1", self.port))
        await self._server.serve_forever(background=True)
        self.port = self._server.transport.sockets[0].getsockname()[1]

    async def _action(
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        values: object,
    ) -> ExcCodes | None:
        return self.refuses.get(address)

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.shutdown()
            self._server = None
