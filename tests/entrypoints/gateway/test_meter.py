"""Counts are what Prometheus expects of counters and histograms."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from mooring.entrypoints.gateway.meter import Histogram, Meter


@given(st.lists(st.floats(0, 100)))
def test_buckets_are_cumulative_and_hold_every_value_once(values: list[float]) -> None:
    histogram = Histogram((0.1, 1.0, 10.0))
    for value in values:
        histogram.observe(value)
    expected = [sum(value <= bound for value in values) for bound in (0.1, 1.0, 10.0, float("inf"))]
    assert [count for _, count in histogram.buckets()] == expected
    assert [name for name, _ in histogram.buckets()] == ["0.1", "1.0", "10.0", "+Inf"]
    assert abs(histogram.total - sum(values)) < 1e-6


def test_run_times_are_summed_over_the_versions_of_a_model() -> None:
    meter = Meter()
    for version in ("v1", "v2"):
        meter.model("triage", version).predict.observe(0.5)
    meter.model("other", "v1").predict.observe(2.0)
    samples = {
        (sample.labels["model_name"]): sample.value
        for family in meter.collect()
        for sample in family.samples
        if sample.name == "request_predict_seconds_count"
    }
    assert samples == {"triage": 2.0, "other": 1.0}


def test_a_reading_that_is_not_known_is_left_out() -> None:
    meter = Meter()
    meter.gauges["known"] = ("a", lambda: 1.5)
    meter.gauges["unknown"] = ("b", lambda: None)
    registry = CollectorRegistry()
    registry.register(meter)
    found = {family.name for family in text_string_to_metric_families(generate_latest(registry).decode())}
    assert "known" in found
    assert "unknown" not in found


def test_label_values_of_any_kind_are_escaped() -> None:
    meter = Meter()
    meter.count_denied('a "rule"\nwith\\everything')
    registry = CollectorRegistry()
    registry.register(meter)
    families = {f.name: f for f in text_string_to_metric_families(generate_latest(registry).decode())}
    assert families["policy_denied"].samples[0].labels["reason"] == 'a "rule"\nwith\\everything'
