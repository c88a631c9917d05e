"""What the gateway counts, published for Prometheus.

Counting happens on the event loop alone, in plain integers: a client library's locks would cost more than an inference.
Names that others use are kept: `model_infer_request_*` (MLServer), `request_predict_seconds` (KServe).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

__all__ = ["Histogram", "Meter", "ModelMeter"]

_SECONDS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_MANY_RULES = 256
_COUNTS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)


class Histogram:
    """Counts per bucket, and the sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...] = _SECONDS) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        """Count one value."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """Return the cumulative counts by upper bound, as Prometheus wants them."""
        names = [*map(str, self.bounds), "+Inf"]
        return list(zip(names, map(float, accumulate(self.counts)), strict=True))


class ModelMeter:
    """What is counted of one version of a model."""

    __slots__ = ("duration", "failures", "predict", "successes")

    def __init__(self) -> None:
        self.successes = 0
        self.failures = 0
        self.duration = Histogram()
        self.predict = Histogram()

    def answered(self, seconds: float) -> None:
        """Count one answer with a receipt, and the time from its arrival to its leaving."""
        self.successes += 1
        self.duration.observe(seconds)


class Meter(Collector):
    """Everything that is counted; a Prometheus collector.

    `gauges` maps a metric's name to its help and to what reads it; a reading of None is left out.
    """

    def __init__(self) -> None:
        self.models: dict[tuple[str, str], ModelMeter] = {}
        self.refused: dict[str, int] = {}
        self.denied: dict[str, int] = {}
        self.commit = Histogram()
        self.commit_size = Histogram(_COUNTS)
        self.gauges: dict[str, tuple[str, Callable[[], float | None]]] = {}

    def model(self, model: str, version: str) -> ModelMeter:
        """Return the counts of a version that exists."""
        return self.models.setdefault((model, version), ModelMeter())

    def count_refused(self, code: str) -> None:
        """Count one answer that is a problem."""
        self.refused[code] = self.refused.get(code, 0) + 1

    def count_denied(self, rule: str) -> None:
        """Count one refusal by the policy."""
        # What a rule says when it cannot be evaluated may hold anything: labels must not grow without bound.
        known = rule in self.denied or len(self.denied) < _MANY_RULES
        self.denied[rule if known else "other"] = self.denied.get(rule if known else "other", 0) + 1

    def collect(self) -> Iterable[Metric]:
        """Yield every metric as it stands."""
        yield from self._models()
        refused = CounterMetricFamily("gateway_refused", "Answers that are problems, by code", labels=["code"])
        for code, count in self.refused.items():
            refused.add_metric([code], count)
        denied = CounterMetricFamily("policy_denied", "Requests that the policy refused, by rule", labels=["reason"])
        for rule, count in self.denied.items():
            denied.add_metric([rule], count)
        yield refused
        yield denied
        yield _histogram("receipt_commit_seconds", "Time to make a batch of log entries durable", self.commit)
        yield _histogram("receipt_batch_size", "Log entries made durable together", self.commit_size)
        for name, (text, read) in self.gauges.items():
            value = read()
            if value is not None:
                yield GaugeMetricFamily(name, text, value=value)

    def _models(self) -> Iterator[Metric]:
        labels = ["model", "version"]
        success = CounterMetricFamily("model_infer_request_success", "Answers with a receipt", labels=labels)
        failure = CounterMetricFamily(
            "model_infer_request_failure", "Requests to a model refused or failed", labels=labels
        )
        duration = HistogramMetricFamily("model_infer_request_duration", "Arrival to answer, in seconds", labels=labels)
        predict = HistogramMetricFamily("request_predict_seconds", "Run time of the model", labels=["model_name"])
        for (model, version), meter in self.models.items():
            success.add_metric([model, version], meter.successes)
            failure.add_metric([model, version], meter.failures)
            duration.add_metric([model, version], meter.duration.buckets(), meter.duration.total)
        for name, histogram in self._predict().items():
            predict.add_metric([name], histogram.buckets(), histogram.total)
        yield from (success, failure, duration, predict)

    def _predict(self) -> dict[str, Histogram]:
        """Return run times by model, as KServe labels them, summed over versions."""
        sums: dict[str, Histogram] = {}
        for (model, _), meter in self.models.items():
            into = sums.setdefault(model, Histogram())
            into.counts = [a + b for a, b in zip(into.counts, meter.predict.counts, strict=True)]
            into.total += meter.predict.total
        return sums


def _histogram(name: str, text: str, histogram: Histogram) -> Metric:
    family = HistogramMetricFamily(name, text)
    family.add_metric([], histogram.buckets(), histogram.total)
    return family
