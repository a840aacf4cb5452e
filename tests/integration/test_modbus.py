"""A meter over Modbus/TCP: pymodbus's own simulator, and one that misbehaves."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from fractions import Fraction

import pytest
from pymodbus.constants import ExcCodes

from poolserver.power.readings import MeterBook, MeterSpec
from poolserver.power.registers import Register
from poolserver.power.signals.modbus import ModbusLine, ModbusMeter, ModbusSpec
from poolserver.power.state import MeterReading, Quality
from tests.integration.simulated_meter import ENERGY, POWER, SUNSPEC, SimulatedMeter

KW = Register(POWER, "input", "f32", scale=Fraction(1000))
KWH = Register(ENERGY, "input", "u32", low_word_first=True, scale=Fraction(3_600_000))
NOWHERE = 5000
SUNSPEC_W = Register(SUNSPEC, type="i16", exponent_address=SUNSPEC + 1)


class Watched:
    """A meter that is read, and what came of it."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[MeterReading | str] = asyncio.Queue()

    def fault(self, meter: str, reason: str) -> None:
        self.told.put_nowait(reason)

    async def reading(self) -> MeterReading:
        return await self._next(lambda told: isinstance(told, MeterReading))

    async def failure(self, words: str) -> str:
        return await self._next(lambda told: isinstance(told, str) and words in told)

    async def _next(self, fits: Callable[[MeterReading | str], bool]):  # type: ignore[no-untyped-def]
        async with asyncio.timeout(20):
            while not fits(told := await self.told.get()):
                pass
        return told


Reader = Callable[..., Watched]


@pytest.fixture
async def read() -> AsyncIterator[Reader]:
    """Begin to read a meter at a port."""
    async with AsyncExitStack() as tasks:

        def begin(port: int, power: Register = KW, energy: Register | None = None) -> Watched:
            watched = Watched()
            line = ModbusLine("127.0.0.1", port, timeout_s=0.5, reconnect_s=0.05)
            spec = ModbusSpec("t2", power, energy, 7, poll_s=0.05)
            clock = asyncio.get_running_loop().time
            meter = ModbusMeter(spec, line, watched.told.put_nowait, watched.fault, clock)
            task = asyncio.create_task(meter.run())

            async def end() -> None:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

            tasks.push_async_callback(end)
            return watched

        yield begin


@pytest.fixture
async def simulator() -> AsyncIterator[SimulatedMeter]:
    meter = SimulatedMeter()
    await meter.start()
    yield meter
    await meter.stop()


async def test_power_and_energy_are_read(read: Reader, simulator: SimulatedMeter) -> None:
    reading = await read(simulator.port, energy=KWH).reading()
    assert (reading.meter, reading.power_w) == ("t2", 412_500.0)
    assert reading.energy_j == 100_000 * 3_600_000


async def test_a_sunspec_scale_factor_is_read_with_the_value(
    read: Reader, simulator: SimulatedMeter
) -> None:
    assert (await read(simulator.port, SUNSPEC_W).reading()).power_w == 123_400.0


async def test_a_register_that_is_not_there_is_a_fault_and_not_the_end(
    read: Reader, simulator: SimulatedMeter
) -> None:
    watched = read(simulator.port)
    simulator.refuses[POWER] = ExcCodes.DEVICE_BUSY
    await watched.failure("the meter refuses register 1000: device busy")
    del simulator.refuses[POWER]
    assert (await watched.reading()).power_w == 412_500.0
    await read(simulator.port, Register(NOWHERE)).failure("illegal address")


async def test_power_is_told_without_a_counter_that_cannot_be_read(
    read: Reader, simulator: SimulatedMeter
) -> None:
    reading = await read(simulator.port, energy=Register(NOWHERE, type="u32")).reading()
    assert (reading.power_w, reading.energy_j) == (412_500.0, None)


async def test_a_meter_that_goes_away_is_read_again_when_it_is_back(
    read: Reader, simulator: SimulatedMeter
) -> None:
    watched = read(simulator.port)
    await watched.reading()
    await simulator.stop()
    await watched.failure("no connection")
    await simulator.start()
    assert (await watched.reading()).power_w == 412_500.0


# --- a peer that misbehaves ----------------------------------------------------------------------

Answer = Callable[[bytes], bytes | None]


class BadPeer:
    """Answers each question with bytes of the test's; None cuts the connection."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.connections = 0
        self.port = 0
        self._open: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def __aenter__(self) -> "BadPeer":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._open.values():
            writer.close()
        await asyncio.gather(*self._open)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                answer = self.answer(await reader.readexactly(12))
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
        writer.close()
        del self._open[task]


def good(question: bytes) -> bytes:
    """412.5 in two input registers, in the frame of its question."""
    return question[:4] + bytes([0, 7, 7, 4, 4]) + bytes.fromhex("43ce4000")


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda question: b"", "No response"),
        (lambda question: good(question)[:8], "No response"),
        (lambda question: None, ""),
        (lambda question: b"\x99\x99" + good(question)[2:], ""),
        (lambda question: b"HTTP/1.1 400 Bad Request\r\n\r\n", ""),
        (lambda question: question[:4] + bytes([0, 5, 7, 4, 2, 0, 0]), "got 1 registers for 2"),
        (lambda question: question[:4] + bytes([0, 7, 7, 4, 99, 1, 2, 3, 4]), ""),
        (lambda question: question[:4] + bytes([0, 7, 8, 4, 4, 1, 2, 3, 4]), ""),
    ],
    ids=["hangs", "stops midway", "cuts", "another's answer", "HTTP", "too few", "lies", "unit"],
)
async def test_bad_answers_are_faults_and_good_ones_are_believed_after_them(
    read: Reader, answer: Answer, words: str
) -> None:
    async with BadPeer(answer) as peer:
        watched = read(peer.port)
        for _ in range(2):
            await watched.failure(words)
        assert all(isinstance(each, str) for each in watched.told._queue)  # type: ignore[attr-defined]
        peer.answer = good
        assert (await watched.reading()).power_w == 412_500.0


async def test_a_late_answer_is_not_taken_for_that_to_the_next_question(read: Reader) -> None:
    late = asyncio.Event()
    questions: list[bytes] = []

    def answer(question: bytes) -> bytes:
        questions.append(question)
        if len(questions) == 1:
            late.set()
            return b""
        return good(question)

    async with BadPeer(answer) as peer:
        watched = read(peer.port)
        await late.wait()
        await watched.failure("No response")
        await watched.reading()
        assert peer.connections == 2


async def test_meters_behind_a_gateway_are_asked_in_turn_on_one_connection() -> None:
    units: list[int] = []

    def answer(question: bytes) -> bytes:
        units.append(question[6])
        return question[:4] + bytes([0, 7, question[6], 4, 4]) + bytes.fromhex("43ce4000")

    async with BadPeer(answer) as peer, asyncio.TaskGroup() as tasks:
        line = ModbusLine("127.0.0.1", peer.port, timeout_s=5.0)
        told: asyncio.Queue[MeterReading] = asyncio.Queue()
        running = [
            tasks.create_task(
                ModbusMeter(
                    ModbusSpec(f"m{unit}", KW, unit_id=unit, poll_s=60.0),
                    line,
                    told.put_nowait,
                    lambda meter, reason: None,
                    asyncio.get_running_loop().time,
                ).run()
            )
            for unit in (1, 2, 3)
        ]
        names = {(await told.get()).meter for _ in running}
        for task in running:
            task.cancel()
    assert (names, sorted(units), peer.connections) == ({"m1", "m2", "m3"}, [1, 2, 3], 1)


async def test_bad_readings_are_flagged_from_the_wire_to_the_book(read: Reader) -> None:
    """Registers as they come, judged: no number, negative, a thousand times too much, a jump."""
    says = {"kw": "43ce4000"}
    async with BadPeer(lambda question: good(question)[:9] + bytes.fromhex(says["kw"])) as peer:
        watched = read(peer.port)
        book = MeterBook([MeterSpec("t2", rated_w=1_000_000)])

        async def judged() -> Quality:
            while not watched.told.empty():
                watched.told.get_nowait()
            await watched.reading()  # may have been on its way
            reading = await watched.reading()
            return book.take(reading, reading.at_s).quality

        qualities = []
        for says["kw"] in ("43ce4000", "7fc00000", "c3ce4000", "48c95a80", "44548000", "43ce4000"):
            qualities.append(await judged())
    assert qualities == [
        Quality.GOOD,
        Quality.NOT_A_NUMBER,
        Quality.NEGATIVE,
        Quality.WRONG_UNIT,
        Quality.JUMP,
        Quality.GOOD,
    ]
