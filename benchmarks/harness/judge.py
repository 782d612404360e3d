"""The figures that a release must reach, and the verdicts."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from harness.payloads import STREAM_EVENTS
from harness.stages import dearer_cpu_ms

Record = dict[str, Any]
AIM, MUST, FAIL, NONE = "aim", "must", "FAIL", ""


@dataclass(frozen=True)
class Target:
    """What to reach. `floor` tells that more is better."""

    work: str
    unit: str
    must: float
    aim: float
    floor: bool = False


@dataclass(frozen=True)
class Verdict:
    """A figure against its target: "aim", "must", or "FAIL"."""

    target: Target
    value: float

    @property
    def word(self) -> str:
        """Return the verdict in one word."""
        if self._reaches(self.target.aim):
            return AIM
        return MUST if self._reaches(self.target.must) else FAIL

    def _reaches(self, mark: float) -> bool:
        return self.value >= mark if self.target.floor else self.value <= mark


def judge(record: Record) -> list[Verdict]:
    """Return the verdicts on a run."""
    return [Verdict(target, value) for target, value in _figures(record)]


def _figures(record: Record) -> Iterator[tuple[Target, float]]:
    chat, stream = record["chat"]["median"], record["stream"]["median"]
    slow, memory = record["slow_streams"], record["memory"]
    yield Target("chat, 64 connections", "req/s", 5000, 7000, floor=True), chat["per_second"]
    yield Target("chat, CPU per request", "ms", 0.20, 0.14), dearer_cpu_ms(chat)
    yield Target("chat, 1 connection: added p50", "ms", 0.6, 0.35), record["one"]["median"]["added_p50_ms"]
    yield Target("whole 60-event streams, 64 connections", "/s", 1500, 2500, floor=True), stream["per_second"]
    yield Target("streams, CPU per stream", "ms", 0.65, 0.40), dearer_cpu_ms(stream)
    yield from _translated(record)
    yield Target("500 slow streams: added TTFB p50", "ms", 5, 2), slow["added_p50_ms"]
    yield Target("500 slow streams: added TTFB p99", "ms", 60, 60), slow["added_p99_ms"]
    yield Target("500 slow streams: errors", "", 0, 0), slow["errors"]
    yield Target("memory, idle", "MiB", 200, 150), memory["idle_mib"]
    yield Target("memory, growth over another 100,000 requests", "MiB", 5, 5), _growth(memory)
    yield Target("answers that weren't 2xx, broken connections", "", 0, 0), _sum(record, "errors")
    yield Target("ledger: answered requests without a row", "", 0, 0), _ledger(record, "missing", sum)
    yield Target("ledger: surplus rows", "", 0, 0), _ledger(record, "surplus", sum)
    yield Target("ledger: last row after the load's end", "s", 2, 2), _ledger(record, "lag_seconds", max)


def _translated(record: Record) -> Iterator[tuple[Target, float]]:
    """Yield what translating costs beyond pass-through, and what loading all adapters takes."""
    chats, streams = (record["translated"][kind]["added_cpu_ms"] for kind in ("chat", "stream"))
    for name, added in chats.items():
        yield Target(f"{name}: chat, CPU beyond pass-through", "ms", 0.08, 0.08), added
    for name, added in streams.items():
        per_event = added * 1000 / STREAM_EVENTS
        yield Target(f"{name}: stream event, CPU beyond pass-through", "µs", 8, 8), per_event
    yield Target("import of all adapters", "ms", 100, 100), record["adapters"]["added_ms"]


def _growth(memory: Record) -> float:
    return float(memory["again_mib"] - memory["after_mib"])


def _runs(record: Record) -> list[Record]:
    plain = [run for stage in ("chat", "one", "stream") for run in record[stage]["runs"]]
    return plain + [
        run for stage in record["translated"].values() for runs in stage["runs"].values() for run in runs
    ]


def _sum(record: Record, name: str) -> float:
    return float(sum(run[name] for run in _runs(record)))


def _ledger(record: Record, name: str, combine: Any) -> float:
    settled = [run["ledger"] for run in _runs(record)] + [record["slow_streams"]["ledger"]]
    return float(combine(each[name] for each in settled))
