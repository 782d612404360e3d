"""Measures the gateway against a mock provider and judges the figures; see benchmarks/README.md."""

import argparse
import os
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from time import monotonic
from typing import Any

from harness import about, adapters, answers, judge, ledger, nginx, report, slow, stages
from harness.gateway import Gateway, Setup
from harness.processes import BenchError

HERE = Path(__file__).resolve().parent
STARTED = monotonic()


def main() -> int:
    """Run it. Returns 0 when all musts are reached, 1 when not, 2 when the run broke."""
    options = _options()
    options.results.mkdir(parents=True, exist_ok=True)
    os.sched_setaffinity(0, {options.load_cpu})
    try:
        record = _measure(options)
    except BenchError as problem:
        print(f"bench: {problem}", file=sys.stderr)
        return 2
    verdicts = judge.judge(record)
    print("\n".join(["", *report.table(verdicts), "", *report.warnings(record)]))
    if not options.quick:
        print(f"Recorded in {report.write(record, verdicts, options.results)}")
    failed = any(verdict.word == judge.FAIL for verdict in verdicts)
    return 1 if failed and not options.no_judge else 0


def _measure(options: argparse.Namespace) -> dict[str, Any]:
    scale = stages.QUICK if options.quick else stages.FULL
    with ExitStack() as stack:
        # nginx gives up root's rights: its worker must reach the directory
        state = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="axiom-bench-")))
        state.chmod(0o711)
        work = stages.Stages(scale, load_cpu=options.load_cpu, state=state)
        upstream = nginx.start_upstream(cpu=options.load_cpu, prefix=state)
        stack.callback(upstream.stop)
        slow_upstream = slow.SlowUpstream(cpu=options.load_cpu, state=state)
        stack.callback(slow_upstream.stop)
        record: dict[str, Any] = {"about": about.circumstances(options.tree, options.database_url)}
        record["adapters"] = adapters.measure(options.tree, cpu=options.gateway_cpu)
        record["baseline"] = _baseline(work, upstream, options.gateway_cpu, state)
        database_url = _database(stack, options.database_url)
        setup = Setup(
            tree=options.tree,
            state=state,
            cpu=options.gateway_cpu,
            upstream_port=upstream.port,
            slow_port=slow_upstream.port,
            database_url=database_url,
        )
        return record | _measure_gateway(work, setup, upstream, slow_upstream)


def _baseline(work: stages.Stages, upstream: nginx.Nginx, cpu: int, state: Path) -> dict[str, Any]:
    _say("yardstick: nginx as a plain reverse proxy")
    proxy = nginx.start_proxy(upstream, cpu=cpu, prefix=state)
    try:
        return work.baseline(upstream, proxy)
    finally:
        proxy.stop()


def _measure_gateway(
    work: stages.Stages, setup: Setup, upstream: nginx.Nginx, slow_upstream: slow.SlowUpstream
) -> dict[str, Any]:
    _say("starting the gateway")
    gateway = Gateway(setup)
    try:
        calls = nginx.calls_seen(upstream)
        idle = gateway.pinned.rss_mib()
        compared = answers.check(gateway.chat_url, gateway.token)
        ledger.settle(gateway.ledger, before=0, answered=len(compared), open_at_end=0)
        record: dict[str, Any] = {"answers": [asdict(each) for each in compared]}
        record["start_seconds"] = gateway.start_seconds
        _say("chat, 64 connections")
        record["chat"] = work.chat(gateway)
        _say("chat, 1 connection")
        record["one"] = work.one_connection(gateway, upstream)
        _say("whole streams, 64 connections")
        record["stream"] = work.stream(gateway)
        _say("translated chats and streams, 64 connections")
        record["translated"] = {kind: work.translated(gateway, kind) for kind in ("chat", "stream")}
        _say("slow streams")
        record["slow_streams"] = work.slow_streams(gateway, slow_upstream)
        _say("memory")
        record["memory"] = work.memory(gateway, idle)
        direct = sum(run["direct_requests"] for run in record["one"]["runs"])
        record["upstream_calls"] = nginx.calls_seen(upstream) - calls - 1 - direct
        record["ledger_rows"] = ledger.count(gateway.ledger)
        record["outcomes"] = ledger.outcomes(gateway.ledger)
        record["exit_code"] = gateway.stop()
        return record
    except BenchError as problem:
        raise BenchError(f"{problem}\n{gateway.pinned.last_words()}") from problem
    finally:
        gateway.stop()


def _database(stack: ExitStack, url: str) -> str:
    if not url:
        return ""
    created = ledger.create_database(url)
    stack.callback(ledger.drop_database, url, created)
    return created


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one short run of each; nothing is recorded")
    parser.add_argument("--no-judge", action="store_true", help="exit with 0 whatever the figures say")
    parser.add_argument(
        "--database-url", default="", metavar="URL", help="ledger in a new database of this server"
    )
    parser.add_argument(
        "--tree", type=Path, default=HERE.parent, metavar="DIR", help="the checkout to measure"
    )
    parser.add_argument("--results", type=Path, default=HERE / "results", metavar="DIR")
    parser.add_argument("--gateway-cpu", type=int, default=0, metavar="N")
    parser.add_argument("--load-cpu", type=int, default=1, metavar="N", help="for mock providers and load")
    return parser.parse_args()


def _say(text: str) -> None:
    print(f"bench: {monotonic() - STARTED:5.1f} s  {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
