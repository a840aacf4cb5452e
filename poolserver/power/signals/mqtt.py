"""MQTT: meters, AI loads and budgets in; what each site draws out."""

import asyncio
import ssl
from collections import Counter
from collections.abc import Container, Mapping
from contextlib import suppress
from dataclasses import dataclass

import aiomqtt
import msgspec
import structlog

from poolserver.log import RateLimited
from poolserver.power.signal import (
    OutdatedSignalError,
    SignalError,
    SignalSink,
    UnknownSignalError,
)
from poolserver.power.signals.topics import About, Topics
from poolserver.power.signals.words import (
    SiteWord,
    WordError,
    ai_load_signal,
    budget_signal,
    meter_reading,
)

RECONNECT_S = 1.0
MOST_RECONNECT_S = 30.0

# A broker that is gone without a word is noticed after one and a half times this.
KEEPALIVE_S = 15
TIMEOUT_S = 5.0

# What waits while the loop is busy: a message of each meter of a large site, twice.
MOST_WAITING = 2000

# In whose name a word is that names nobody: who may speak here is the broker's to say.
VIA = "mqtt"

# Each message at least once. One that comes twice says the same.
AT_LEAST_ONCE = 1

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class MqttSpec:
    """Where the broker is, and who we are to it."""

    host: str
    port: int
    prefix: str
    instance: str
    username: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None


class MqttBus:
    """A connection to the broker for as long as it runs, made anew whatever happens.

    ``meters`` are those that may be told here. What is not taken is counted in ``counts`` and
    logged, each sort of it once a minute at the most.
    """

    def __init__(
        self,
        spec: MqttSpec,
        sink: SignalSink,
        meters: Container[str],
        reconnect_s: float = RECONNECT_S,
    ) -> None:
        self._spec = spec
        self._topics = Topics(spec.prefix, spec.instance)
        self._sink = sink
        self._meters = meters
        self._first_reconnect_s = self._reconnect_s = reconnect_s
        self._trouble, self._word_trouble = RateLimited(log), RateLimited(log)
        self._sites: dict[str, SiteWord] = {}
        self._unsent: set[str] = set()
        self._has_unsent = asyncio.Event()
        self.is_connected = False
        self.outcomes: Counter[tuple[str, str]] = Counter()
        """Messages by what they were about, and what became of them: ``taken``, ``malformed``,
        ``unknown``, ``outdated``, ``refused``."""

    async def run(self) -> None:
        """Until it is cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                await self._connection()
            except aiomqtt.MqttError as error:
                self._trouble.failed("mqtt_lost", str(error), loop.time())
            await asyncio.sleep(self._reconnect_s)
            self._reconnect_s = min(2 * self._reconnect_s, MOST_RECONNECT_S)

    def tell(self, sites: Mapping[str, SiteWord]) -> None:
        """What each site draws now. It goes out when the broker takes it, the newest only."""
        self._sites.update(sites)
        self._unsent.update(sites)
        self._has_unsent.set()

    # --- one connection ---------------------------------------------------------------------

    async def _connection(self) -> None:
        status = self._topics.status
        async with self._client() as client:
            try:
                await self._subscribe(client)
                await client.publish(status, "online", qos=AT_LEAST_ONCE, retain=True)
                self._begun()
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._listen(client))
                    tasks.create_task(self._speak(client))
            except* aiomqtt.MqttError as errors:
                raise aiomqtt.MqttError(str(errors.exceptions[0])) from None
            finally:
                self.is_connected = False
                with suppress(aiomqtt.MqttError):
                    await client.publish(status, "offline", retain=True)

    async def _subscribe(self, client: aiomqtt.Client) -> None:
        refused = []
        for topic in self._topics.incoming:
            codes = await client.subscribe(topic, qos=AT_LEAST_ONCE)
            if any(not _is_granted(code) for code in codes):
                refused.append(topic)
        if refused:
            log.warning("mqtt_topics_refused", topics=refused)

    def _begun(self) -> None:
        now = asyncio.get_running_loop().time()
        self.is_connected = True
        self._reconnect_s = self._first_reconnect_s
        self._trouble.restored("mqtt_connected_again", now)
        self.tell(dict(self._sites))  # a broker that was restarted may have forgotten them

    def _client(self) -> aiomqtt.Client:
        spec = self._spec
        return aiomqtt.Client(
            spec.host,
            spec.port,
            username=spec.username,
            password=spec.password,
            tls_context=spec.tls,
            will=aiomqtt.Will(self._topics.status, "offline", AT_LEAST_ONCE, retain=True),
            keepalive=KEEPALIVE_S,
            timeout=TIMEOUT_S,
            max_queued_incoming_messages=MOST_WAITING,
        )

    async def _speak(self, client: aiomqtt.Client) -> None:
        while True:
            await self._has_unsent.wait()
            self._has_unsent.clear()
            while self._unsent:
                site = self._unsent.pop()
                word = msgspec.json.encode(self._sites[site])
                await client.publish(self._topics.site(site), word, retain=True)

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            payload = message.payload
            if isinstance(payload, bytes):
                self.take(str(message.topic), payload)

    # --- one message ------------------------------------------------------------------------

    def take(self, topic: str, payload: bytes) -> None:
        """A message: taken, or refused with a line in the log."""
        about, now = self._topics.about(topic), asyncio.get_running_loop().time()
        try:
            self._take(about, payload)
        except (WordError, SignalError) as error:
            outcome = _outcome(error)
            self.outcomes[about.kind, outcome] += 1
            # Details differ from message to message; the first of each sort in a minute is told.
            fields = {"why": str(error), "topic": topic[:200]}
            self._word_trouble.failed("signal_refused", f"{about.kind}: {outcome}", now, **fields)
            if about.kind == "meter" and not isinstance(error, UnknownSignalError):
                self._sink.take_fault(about.name, str(error))
        else:
            self.outcomes[about.kind, "taken"] += 1

    def _take(self, about: About, payload: bytes) -> None:
        """Raises:
        WordError, SignalError: it makes no sense, or is refused.
        """
        if about.kind == "meter" and about.name not in self._meters:
            raise UnknownSignalError(f"there is no meter {about.name} by MQTT")
        if not payload:
            return  # a retained message was cleared: nobody says anything
        match about.kind:
            case "meter":
                self._sink.take_reading(meter_reading(about.name, payload))
            case "ai":
                self._sink.take_ai_load(ai_load_signal(about.site, about.name, payload, VIA))
            case "budget":
                self._sink.take_budget(
                    budget_signal(about.name, payload, VIA, VIA, may_name_source=True)
                )
            case _:
                raise WordError("there is no such topic")


def _outcome(error: WordError | SignalError) -> str:
    match error:
        case WordError():
            return "malformed"
        case UnknownSignalError():
            return "unknown"
        case OutdatedSignalError():
            return "outdated"
    return "refused"


def _is_granted(code: object) -> bool:
    """0 to 2 are what it is granted with; 128 and above refuse (MQTT 3.1.1, 3.9.3)."""
    value = getattr(code, "value", code)
    return isinstance(value, int) and value < 128
