"""The exporter's collector: at each scrape it asks the stores, part by part, and tells which it could not ask.

What belongs here: parts, how often each is asked, time limits, errors. What does not: questions (the modules of each subject), serving
(server.py).

A part whose store does not answer, or that fails, has no series in that scrape: never an old number in the place of a new one. A part that
takes long is asked less often and says how old it is, so that scraping costs a store at most a twentieth of its time.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import monotonic

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from energy_assets.home import Home, HomeError
from energy_assets.keys import GATED
from energy_assets.monitoring import deliveries, losses, metrics, runs, sizes
from energy_assets.monitoring.gates import Days
from energy_assets.monitoring.graph import Graph
from energy_assets.monitoring.metrics import Metric, Sample
from energy_assets.monitoring.sources import CLICKHOUSE, DAGSTER, POSTGRES, Sources, Stopwatch, opened

LEAST_SECONDS = 10.0
"""A part is asked at most this often, whoever scrapes."""
MOST_SHARE = 1 / 20
"""Of the time, that asking for a part may take."""
SCRAPE_SECONDS = 12.0
"""After so long a scrape asks for nothing more: it must answer within Prometheus' own limit (dashboards/prometheus/prometheus.yml)."""

STORES = (POSTGRES, DAGSTER, CLICKHOUSE)
HOME_PART = "home"

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """Metrics that are asked for together, of stores that all have to answer."""

    name: str
    stores: tuple[str, ...]
    metrics: tuple[Metric, ...]
    ask: Callable[[Sources], Iterable[Sample]]


@dataclass
class Answer:
    """What a part said when it was asked last."""

    samples: list[Sample]
    asked_at: float
    took_seconds: float

    def is_fresh(self, now: float) -> bool:
        return now - self.asked_at < max(LEAST_SECONDS, self.took_seconds / MOST_SHARE)


def home_samples(sources: Sources) -> Iterator[Sample]:
    yield Sample(metrics.HOME, 1, (sources.home.name, sources.calendar.timezone))
    yield Sample(metrics.HISTORICAL, int(sources.calendar.is_historical))


def parts_of(days: Days) -> tuple[Part, ...]:
    """All parts, the quickest first."""
    m = metrics
    return (
        Part(HOME_PART, (), (m.HOME, m.HISTORICAL), home_samples),
        Part("filesystem", (), (m.FILESYSTEM_SIZE, m.FILESYSTEM_FREE), sizes.filesystem),
        Part(
            "runs",
            (DAGSTER,),
            (m.RUNS_ENDED, m.RUNS_ACTIVE, m.RUN_DURATION, m.RUN_END, m.RUN_FAILURES, m.HEARTBEAT),
            runs.runs,
        ),
        Part("gates", (POSTGRES,), (m.ROWS, m.GATES, m.RED_DAY, m.GREEN_DAY, m.GREEN_LAG), days.gates),
        Part("deliveries", (POSTGRES,), (m.DELIVERED_ROWS, m.REJECTED_ROWS), deliveries.rows),
        Part(
            "losses",
            (POSTGRES,),
            (m.LOSS_DAY, m.ENERGY_IN, m.TECHNICAL, m.NON_TECHNICAL, m.LOSS_RATIO, m.USUAL_RATIO),
            losses.losses,
        ),
        Part("cases", (POSTGRES,), (m.CASES, m.CASES_LISTED), losses.cases),
        Part("postgres_sizes", (POSTGRES,), (m.DATABASE_SIZE, m.CONNECTIONS), sizes.postgres),
        Part(
            "clickhouse_sizes",
            (CLICKHOUSE,),
            (m.TABLE_SIZE, m.TABLE_ROWS, m.TABLE_PARTS, m.DISK_SIZE, m.DISK_FREE),
            sizes.clickhouse,
        ),
        Part("waiting", (POSTGRES,), (m.WAITING, m.WAITING_SINCE, m.QUARANTINED), deliveries.waiting),
        Part("directories", (), (m.DIRECTORY_SIZE,), sizes.directories),
        Part("owed", (POSTGRES, DAGSTER), (m.OWED, m.OWED_SINCE), days.owed),
    )


@dataclass
class HomeCollector(Collector):
    """Asks for a home's metrics. `now` is the time of the home's days."""

    home: Home
    graph: Graph
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        self._parts = parts_of(Days(self.graph))
        self._answers: dict[str, Answer] = {}
        self._errors = dict.fromkeys([*STORES, *(part.name for part in self._parts)], 0)
        self._failing: dict[str, str] = {}
        self._turn = threading.Lock()

    def __hash__(self) -> int:
        return id(self)

    def describe(self) -> list[Family]:
        return [family_of(metric) for metric in all_metrics()]

    def collect(self) -> list[Family]:
        """One scrape at a time: a second one waits and gets what the first one asked for."""
        with self._turn:
            samples = list(self._scrape())
        families = {metric: family_of(metric) for metric in all_metrics()}
        for sample in samples:
            families[sample.metric].add_metric(sample.labels, sample.value)
        return [family for family in families.values() if family.samples]

    def _scrape(self) -> Iterator[Sample]:
        watch = Stopwatch()
        try:
            calendar = self.home.calendar()
        except (HomeError, OSError) as error:
            self._failed(HOME_PART, error)
            yield from self._error_counts()
            return
        tables = (*GATED, *self.graph.copies)
        with opened(Sources(self.home, calendar, self.now(), tables), self._failed) as sources:
            for store in STORES:
                if store in sources.stores:
                    self._failing.pop(store, None)
                yield Sample(metrics.UP, int(store in sources.stores), (store,))
            for part in self._parts:
                yield from self._part(part, sources, watch)
        yield from self._error_counts()

    def _part(self, part: Part, sources: Sources, watch: Stopwatch) -> Iterator[Sample]:
        if any(store not in sources.stores for store in part.stores):
            self._answers.pop(part.name, None)
            return
        answer = self._answers.get(part.name)
        if answer is None or not answer.is_fresh(monotonic()):
            self._answers.pop(part.name, None)
            answer = self._asked(part, sources, watch)
        if answer is not None:
            yield from answer.samples
            yield Sample(metrics.DURATION, answer.took_seconds, (part.name,))
            yield Sample(metrics.AGE, monotonic() - answer.asked_at, (part.name,))

    def _asked(self, part: Part, sources: Sources, watch: Stopwatch) -> Answer | None:
        if watch.seconds > SCRAPE_SECONDS:
            self._failed(part.name, TimeoutError(f"the scrape took {watch.seconds:.0f} s before"))
            return None
        asking = Stopwatch()
        try:
            samples = list(part.ask(sources))
        except Exception as error:  # whatever one part runs into, the others are told
            self._failed(part.name, error)
            return None
        self._failing.pop(part.name, None)
        answer = Answer(samples, monotonic(), asking.seconds)
        self._answers[part.name] = answer
        return answer

    def _failed(self, what: str, error: Exception) -> None:
        """Counted each time; logged when it begins, and when it is of another kind."""
        self._errors[what] += 1
        kind = type(error).__name__
        if self._failing.get(what) != kind:
            self._failing[what] = kind
            logger.error("metrics of %s cannot be asked for: %s: %s", what, kind, str(error).strip())

    def _error_counts(self) -> Iterator[Sample]:
        for what, count in self._errors.items():
            yield Sample(metrics.ERRORS, count, (what,))


def all_metrics() -> tuple[Metric, ...]:
    """Every metric that the exporter may tell, those of the exporter itself first."""
    own = (metrics.UP, metrics.ERRORS, metrics.DURATION, metrics.AGE)
    return own + tuple(metric for part in PARTS for metric in part.metrics)


def family_of(metric: Metric) -> CounterMetricFamily | GaugeMetricFamily:
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    return kind(metric.full_name, metric.help, labels=metric.labels)


PARTS = parts_of(Days(Graph((), {})))
"""What there is, without a graph: to describe, not to ask."""
