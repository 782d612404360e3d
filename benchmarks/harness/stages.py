"""The stages of a run; each returns plain numbers for the record."""

import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness import ledger, payloads, slow, translated, wrk
from harness.gateway import Gateway
from harness.nginx import Nginx
from harness.processes import BenchError, CpuWindow
from harness.slow_client import Plan

Numbers = dict[str, Any]


@dataclass(frozen=True)
class Scale:
    """How long and how much. Times in seconds."""

    runs: int
    seconds: float
    warm_up: float
    baseline_seconds: float
    slow_connections: int
    slow_spread: float
    slow_count_from: float
    slow_count_until: float
    memory_requests: int
    translated_seconds: float
    translated_warm_up: float


FULL = Scale(3, 6, 2, 4, 500, 6, 7, 22, 100_000, 3, 1)
QUICK = Scale(1, 2, 1, 1, 500, 2, 1, 4, 10_000, 1, 1)
PASSED = "passed"  # through, unchanged: what the translated ones are compared with
CONNECTIONS = 64


class Stages:
    """The stages, with what they have in common: the scale, the load's CPU, and files for the bodies."""

    def __init__(self, scale: Scale, *, load_cpu: int, state: Path) -> None:
        self._scale, self._cpu = scale, load_cpu
        self._chat = _write(state / "chat.json", payloads.request_body(payloads.CHAT_MODEL))
        self._stream = _write(
            state / "stream.json", payloads.request_body(payloads.STREAM_MODEL, stream=True)
        )
        self._slow = _write(state / "slow.json", payloads.request_body(payloads.SLOW_MODEL, stream=True))
        self._translated = {
            "chat": {PASSED: self._chat, **_translated_bodies(state, stream=False)},
            "stream": {PASSED: self._stream, **_translated_bodies(state, stream=True)},
        }

    def baseline(self, upstream: Nginx, proxy: Nginx) -> Numbers:
        """Measure the mock provider alone and the yardstick proxy."""
        return {
            "direct_chat": self._bare(upstream, self._chat, CONNECTIONS),
            "proxy_chat": self._bare(proxy, self._chat, CONNECTIONS),
            "proxy_chat_one": self._bare(proxy, self._chat, 1),
            "proxy_stream": self._bare(proxy, self._stream, CONNECTIONS),
        }

    def chat(self, gateway: Gateway) -> Numbers:
        """Measure whole answers at 64 connections."""
        return self._repeated(gateway, self._chat)

    def stream(self, gateway: Gateway) -> Numbers:
        """Measure whole streams at 64 connections."""
        return self._repeated(gateway, self._stream)

    def translated(self, gateway: Gateway, kind: str) -> Numbers:
        """Measure "chat" or "stream" of each provider with a format of its own, and pass-through, in turn.

        Returns `runs` and `median` by provider, and `added_cpu_ms`: the median of what a provider costs
        beyond the pass-through of the same round, the dearer CPU figures of both taken.
        """
        seconds, warm_up = self._scale.translated_seconds, self._scale.translated_warm_up
        bodies = self._translated[kind]
        runs: dict[str, list[Numbers]] = {name: [] for name in bodies}
        for _ in range(self._scale.runs):
            for name, body in bodies.items():
                runs[name].append(self._accounted(gateway, body, CONNECTIONS, seconds, warm_up))
        return {
            "runs": runs,
            "median": {name: _median(each) for name, each in runs.items()},
            "added_cpu_ms": {
                name: _added(runs[PASSED], each) for name, each in runs.items() if name != PASSED
            },
        }

    def one_connection(self, gateway: Gateway, upstream: Nginx) -> Numbers:
        """Measure the latency that the gateway adds to a chat when nothing else is going on."""
        runs = []
        for _ in range(self._scale.runs):
            direct = self._load(upstream.chat_url, self._chat, 1, "none")
            runs.append(self._accounted(gateway, self._chat, 1))
            runs[-1]["direct_p50_ms"] = direct.p50_ms
            runs[-1]["direct_requests"] = direct.requests
            runs[-1]["added_p50_ms"] = runs[-1]["p50_ms"] - direct.p50_ms
        return {"median": _median(runs), "runs": runs}

    def slow_streams(self, gateway: Gateway, upstream: slow.SlowUpstream) -> Numbers:
        """Measure the time to the first event with hundreds of streams open, against the provider alone."""
        direct = slow.run(self._slow_plan(upstream.chat_url, "none"), cpu=self._cpu)
        before = ledger.count(gateway.ledger)
        window = CpuWindow(gateway.pinned)
        through = slow.run(self._slow_plan(gateway.chat_url, gateway.token), cpu=self._cpu)
        use, rss = window.close(), gateway.pinned.rss_mib()
        ended = through.started - self._scale.slow_connections
        settled = ledger.settle(
            gateway.ledger, before=before, answered=ended, open_at_end=self._scale.slow_connections
        )
        return {
            "direct": direct.as_dict(),
            "gateway": through.as_dict(),
            "added_p50_ms": through.first_p50_ms - direct.first_p50_ms,
            "added_p99_ms": through.first_p99_ms - direct.first_p99_ms,
            "errors": sum(through.errors.values()),
            "cpu_share": use.share,
            "others_share": use.others_share,
            "rss_mib": rss,
            "ledger": asdict(settled),
        }

    def memory(self, gateway: Gateway, idle_mib: float) -> Numbers:
        """Return the resident memory idle, after 100,000 requests and after as many again, in MiB."""
        return {
            "idle_mib": idle_mib,
            "requests": self._scale.memory_requests,
            "after_mib": self._loaded_memory(gateway),
            "again_mib": self._loaded_memory(gateway),
        }

    def _loaded_memory(self, gateway: Gateway) -> float:
        sent = 0
        seconds = 2.0
        while sent < self._scale.memory_requests:
            before = ledger.count(gateway.ledger)
            result = self._load(gateway.chat_url, self._chat, CONNECTIONS, gateway.token, seconds)
            ledger.settle(gateway.ledger, before=before, answered=result.requests, open_at_end=CONNECTIONS)
            sent += result.requests
            seconds = max(1.0, min(20.0, (self._scale.memory_requests - sent) / result.per_second + 0.5))
        return gateway.pinned.rss_mib()

    def _repeated(self, gateway: Gateway, body: Path) -> Numbers:
        runs = [self._accounted(gateway, body, CONNECTIONS) for _ in range(self._scale.runs)]
        return {"median": _median(runs), "runs": runs}

    def _accounted(
        self, gateway: Gateway, body: Path, connections: int, seconds: float = 0, warm_up: float = 0
    ) -> Numbers:
        """Warm up, measure, and wait for the ledger.

        The rows of the warm-up are still on their way when the window opens, as those of the window are
        when it closes. `settled_cpu_ms` has no such loan: it covers both loads until the last row is there.
        """
        before = ledger.count(gateway.ledger)
        whole = CpuWindow(gateway.pinned)
        warm = self._load(gateway.chat_url, body, connections, gateway.token, warm_up or self._scale.warm_up)
        window = CpuWindow(gateway.pinned)
        result = self._load(gateway.chat_url, body, connections, gateway.token, seconds)
        use = window.close()
        answered = warm.requests + result.requests
        settled = ledger.settle(gateway.ledger, before=before, answered=answered, open_at_end=2 * connections)
        return {
            **_numbers(result, use.own_seconds, use.share, use.others_share),
            "settled_cpu_ms": whole.close().own_seconds / answered * 1000,
            "warm_up_requests": warm.requests,
            "ledger": asdict(settled),
        }

    def _bare(self, server: Nginx, body: Path, connections: int) -> Numbers:
        """Measure nginx, in one shorter run: it is a yardstick and has no ledger."""
        self._load(server.chat_url, body, connections, "none", 1)
        window = CpuWindow(server.pinned)
        result = self._load(server.chat_url, body, connections, "none", self._scale.baseline_seconds)
        use = window.close()
        if result.errors:
            raise BenchError(f"{server.origin} gave {result.errors} errors")
        return _numbers(result, use.own_seconds, use.share, use.others_share)

    def _load(self, url: str, body: Path, connections: int, token: str, seconds: float = 0) -> wrk.WrkResult:
        load = wrk.Load(url=url, body=body, token=token, connections=connections)
        return wrk.run(load, seconds=seconds or self._scale.seconds, cpu=self._cpu)

    def _slow_plan(self, url: str, token: str) -> Plan:
        scale = self._scale
        return Plan(
            url=url,
            token=token,
            body=str(self._slow),
            connections=scale.slow_connections,
            spread=scale.slow_spread,
            count_from=scale.slow_count_from,
            count_until=scale.slow_count_until,
        )


def _numbers(result: wrk.WrkResult, own_seconds: float, share: float, others: float) -> Numbers:
    return {
        **result.as_dict(),
        "errors": result.errors,
        "cpu_ms": own_seconds / result.requests * 1000,
        "cpu_share": share,
        "others_share": others,
    }


def dearer_cpu_ms(numbers: Numbers) -> float:
    """Return the dearer of the two CPU figures: work that was put off counts too."""
    return float(max(numbers["cpu_ms"], numbers["settled_cpu_ms"]))


def _added(passed: list[Numbers], runs: list[Numbers]) -> float:
    pairs = zip(passed, runs, strict=True)
    return statistics.median(dearer_cpu_ms(ours) - dearer_cpu_ms(base) for base, ours in pairs)


def _translated_bodies(state: Path, *, stream: bool) -> dict[str, Path]:
    ending = "stream.json" if stream else "json"
    return {
        each.slug: _write(state / f"{each.slug}.{ending}", payloads.request_body(each.model, stream=stream))
        for each in translated.PROVIDERS
    }


def _median(runs: list[Numbers]) -> Numbers:
    names = [name for name, value in runs[0].items() if isinstance(value, int | float)]
    return {name: statistics.median(run[name] for run in runs) for name in names}


def _write(path: Path, body: bytes) -> Path:
    path.write_bytes(body)
    return path
