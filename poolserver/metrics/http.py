"""What Prometheus is told of the HTTP server: who asks what, and how long it takes."""

from collections import Counter
from collections.abc import Callable, Iterator

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from poolserver.histogram import CALL_S, Histogram
from poolserver.metrics.families import buckets, counter, gauge, histogram

REQUESTS = counter(
    "api_requests",
    "endpoint",
    "status",
    help="Requests that the HTTP server has answered.",
    meaning=(
        "Requests that the HTTP server has answered, since the start, by method and path as the "
        "API has them, and the HTTP status; `none` is what there is not"
    ),
)
SECONDS = histogram(
    "api_request_seconds",
    "endpoint",
    help="Time that an answer of the HTTP server took, but for streams.",
)
READERS = gauge(
    "stream_readers",
    help="Who reads the stream of server-sent events now.",
)


class HttpMetrics(Collector):
    """``observe`` is the HTTP server's hook; ``readers`` tells how many read the stream."""

    def __init__(self, readers: Callable[[], int]) -> None:
        self._readers = readers
        self._requests: Counter[tuple[str, int]] = Counter()
        self._seconds: dict[str, Histogram] = {}

    def observe(self, endpoint: str, status: int, seconds: float | None) -> None:
        """A request was answered; ``seconds`` is None of a stream, which lasts while it is read."""
        self._requests[endpoint, status] += 1
        if seconds is not None:
            observed = self._seconds.get(endpoint)
            if observed is None:
                observed = self._seconds[endpoint] = Histogram(CALL_S)
            observed.note(seconds)

    def collect(self) -> Iterator[Metric]:
        requests, seconds = REQUESTS.make(), SECONDS.make()
        for (endpoint, status), count in sorted(self._requests.items()):
            requests.add_metric([endpoint, str(status)], count)
        for endpoint, observed in sorted(self._seconds.items()):
            seconds.add_metric([endpoint], buckets(observed), observed.seconds)
        yield from (requests, seconds)
        yield READERS.of(self._readers())
