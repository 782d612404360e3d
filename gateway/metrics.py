"""Prometheus metrics of the data path, in a registry of their own, with bounded labels.

Children are looked up once per label set and kept: a look-up in prometheus_client costs more than the update.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

MAX_SERIES = 5_000  # label sets per process; further ones are counted under `other`
OTHER = "other"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 60, 120, 300, 600)
OVERHEAD_SECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1)
TOKEN_KINDS = (
    "input", "cache_read", "cache_write", "output", "reasoning", "audio", "characters", "audio_seconds",
)  # fmt: skip

REGISTRY = CollectorRegistry()
_TARGET = ("organization", "provider", "model", "credential", "endpoint")

REQUESTS = Counter(
    "llm_gateway_requests",
    "Requests that carried a valid token.",
    ("organization", "user", "provider", "model", "credential", "endpoint", "status"),
    registry=REGISTRY,
)
REQUEST_SECONDS = Histogram(
    "llm_gateway_request_duration_seconds",
    "From the request's arrival to the end of the answer.",
    _TARGET,
    buckets=SECONDS,
    registry=REGISTRY,
)
PROVIDER_SECONDS = Histogram(
    "llm_gateway_provider_duration_seconds",
    "Time spent waiting for providers.",
    _TARGET,
    buckets=SECONDS,
    registry=REGISTRY,
)
OVERHEAD = Histogram(
    "llm_gateway_overhead_duration_seconds",
    "Time that the gateway itself added before the answer began.",
    _TARGET,
    buckets=OVERHEAD_SECONDS,
    registry=REGISTRY,
)
FIRST_TOKEN_SECONDS = Histogram(
    "llm_gateway_time_to_first_token_seconds",
    "From the request's arrival to the first content of a stream.",
    _TARGET,
    buckets=SECONDS,
    registry=REGISTRY,
)
TOKENS = Counter(
    "llm_gateway_tokens",
    "Tokens in disjoint kinds; reasoning is the part of output spent on thinking. Audio has its own kinds: "
    "characters that were spoken, audio_seconds that were listened to.",
    (*_TARGET, "kind"),
    registry=REGISTRY,
)
ERRORS = Counter(
    "llm_gateway_errors", "Requests that failed, by error class.", (*_TARGET, "error"), registry=REGISTRY
)
REFUSED = Counter(
    "llm_gateway_refused_requests",
    "Requests refused before a caller was known.",
    ("status",),
    registry=REGISTRY,
)
UNRECORDED = Counter(
    "llm_gateway_unrecorded_ends",
    "Refused requests whose record the journal could not take; nothing was sent to a provider.",
    registry=REGISTRY,
)
ACTIVE = Gauge(
    "llm_gateway_active_requests", "Requests being served.", registry=REGISTRY, multiprocess_mode="livesum"
)


@dataclass(frozen=True, slots=True)
class Series:
    """The children of one label set, ready to be updated."""

    requests: Counter
    request_seconds: Histogram
    provider_seconds: Histogram
    overhead: Histogram
    first_token_seconds: Histogram
    tokens: Mapping[str, Counter]


class Labels(NamedTuple):
    """One request's labels. `status` is the HTTP status as text; empty fields are unknown."""

    organization: str
    user: str
    provider: str
    model: str
    credential: str
    endpoint: str
    status: str


_series: dict[Labels, Series] = {}


def series(labels: Labels) -> Series:
    """Return the children for these labels; past the cap, those of `other`."""
    found = _series.get(labels)
    if found is None:
        if len(_series) >= MAX_SERIES:
            labels = Labels(labels.organization, OTHER, OTHER, OTHER, OTHER, labels.endpoint, labels.status)
        found = _series.get(labels) or _make(labels)
        _series[labels] = found
    return found


def _make(labels: Labels) -> Series:
    target = _target(labels)
    return Series(
        requests=REQUESTS.labels(*labels),
        request_seconds=REQUEST_SECONDS.labels(*target),
        provider_seconds=PROVIDER_SECONDS.labels(*target),
        overhead=OVERHEAD.labels(*target),
        first_token_seconds=FIRST_TOKEN_SECONDS.labels(*target),
        tokens={kind: TOKENS.labels(*target, kind) for kind in TOKEN_KINDS},
    )


def _target(labels: Labels) -> tuple[str, str, str, str, str]:
    return labels.organization, labels.provider, labels.model, labels.credential, labels.endpoint


def count_error(labels: Labels, error_class: str) -> None:
    """Count a failed request under its error class."""
    ERRORS.labels(*_target(labels), error_class).inc()


def exposition() -> bytes:
    """Return the text format, summed over all workers where several run."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    _forget_dead_workers(Path(os.environ["PROMETHEUS_MULTIPROC_DIR"]))
    merged = CollectorRegistry()
    MultiProcessCollector(merged)  # type: ignore[no-untyped-call]
    return generate_latest(merged)


def _forget_dead_workers(directory: Path) -> None:
    """Drop the gauges of workers that are gone: their requests are not active any more."""
    for file in directory.glob("gauge_live*_*.db"):
        found = re.search(r"_(\d+)\.db$", file.name)
        if found and not _is_alive(int(found[1])):
            mark_process_dead(int(found[1]))  # type: ignore[no-untyped-call]


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
