"""The record of a run as JSON, and as a Markdown page."""

import json
from pathlib import Path
from typing import Any

from harness.judge import Verdict

Record = dict[str, Any]
NOISY_SHARE = 0.05


def write(record: Record, verdicts: list[Verdict], directory: Path) -> Path:
    """Write the record and the page of the latest run; return where the record is."""
    about = record["about"]
    path = directory / f"{about['date']}-{about['commit']}.json"
    path.write_text(json.dumps(_rounded(record), indent=1) + "\n")
    (directory / "latest.md").write_text(page(record, verdicts))
    return path


def page(record: Record, verdicts: list[Verdict]) -> str:
    """Return the Markdown page of a run."""
    about = record["about"]
    packages = ", ".join(f"{name} {version}" for name, version in about["packages"].items())
    return "\n".join(
        [
            f"# Benchmark of {about['commit']}, {about['date']}",
            "",
            f"{about['cpus']} CPUs ({about['cpu']}), {about['memory_gib']} GiB, {about['system']}, "
            f"Python {about['python']}, {packages}, ledger in {about['database']}. "
            f"Mock provider and yardstick: nginx {about['nginx']}; load: wrk {about['wrk']}.",
            "",
            *table(verdicts),
            "",
            "## Against nginx as a plain reverse proxy, in the same run",
            "",
            *_ratios(record),
            "",
            "By CPU cost: what one whole core would give at this CPU time, whatever else ran beside it.",
            "",
            "## Details",
            "",
            *_details(record),
            "",
        ]
    )


def table(verdicts: list[Verdict]) -> list[str]:
    """Return the lines of the table of verdicts."""
    lines = ["| work | measured | must | aim | verdict |", "|---|---|---|---|---|"]
    for verdict in verdicts:
        target = verdict.target
        sign = "≥" if target.floor else "≤"
        unit = f" {target.unit}".rstrip()
        lines.append(
            f"| {target.work} | {_number(verdict.value)}{unit} | {sign} {_number(target.must)} "
            f"| {_number(target.aim)} | {verdict.word} |"
        )
    return lines


def warnings(record: Record) -> list[str]:
    """Return what makes the figures less certain: other work on the gateway's CPU."""
    busy = {name: record[name]["median"]["others_share"] for name in ("chat", "one", "stream")}
    busy["slow_streams"] = record["slow_streams"]["others_share"]
    for kind, stage in record["translated"].items():
        busy |= {f"{name} {kind}": each["others_share"] for name, each in stage["median"].items()}
    return [
        f"{name}: other processes took {share:.0%} of the gateway's CPU; the figures are too low."
        for name, share in busy.items()
        if share > NOISY_SHARE
    ]


def _ratios(record: Record) -> list[str]:
    base = record["baseline"]
    lines = [
        "| load | gateway | by CPU cost | nginx | CPU ms | CPU ms nginx | CPU ratio |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, unit in (("chat", "req/s"), ("stream", "/s")):
        ours, theirs = record[name]["median"], base[f"proxy_{name}"]
        cells = [
            name,
            f"{ours['per_second']:,.0f} {unit}",
            f"{1000 / ours['cpu_ms']:,.0f} {unit}",
            f"{theirs['per_second']:,.0f} {unit}",
            f"{ours['cpu_ms']:.3f}",
            f"{theirs['cpu_ms']:.3f}",
            f"{ours['cpu_ms'] / theirs['cpu_ms']:.1f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _details(record: Record) -> list[str]:
    lines = [
        "| load | run | per second | p50 ms | p99 ms | CPU ms | CPU ms settled | CPU share | others "
        "| answered | rows | lag s |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in ("chat", "one", "stream"):
        lines += _run_lines(name, record[name]["runs"])
    for kind, stage in record["translated"].items():
        for name, runs in stage["runs"].items():
            lines += _run_lines(f"{name} {kind}", runs)
    return [
        *lines,
        "",
        "`answered` includes the warm-up; `rows` also counts what the load cut off when it stopped "
        "(at most twice the connections).",
        "",
        _one_line(record),
        _slow_line(record["slow_streams"]),
        _memory_line(record["memory"]),
        _adapters_line(record["adapters"]),
        _counts_line(record),
        _answers_line(record),
        *(f"- {warning}" for warning in warnings(record)),
    ]


def _run_lines(name: str, runs: list[Record]) -> list[str]:
    return [_run_line(name, number, run) for number, run in enumerate(runs, 1)]


def _run_line(name: str, number: int, run: Record) -> str:
    ledger = run["ledger"]
    cells = [
        name,
        str(number),
        f"{run['per_second']:,.0f}",
        f"{run['p50_ms']:.2f}",
        f"{run['p99_ms']:.2f}",
        f"{run['cpu_ms']:.3f}",
        f"{run['settled_cpu_ms']:.3f}",
        f"{run['cpu_share']:.2f}",
        f"{run['others_share']:.2f}",
        f"{run['requests'] + run['warm_up_requests']:,}",
        f"{ledger['rows']:,}",
        f"{ledger['lag_seconds']:.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def _one_line(record: Record) -> str:
    one, proxy = record["one"]["median"], record["baseline"]["proxy_chat_one"]
    return (
        f"- 1 connection: p50 {one['p50_ms']:.3f} ms through the gateway, {one['direct_p50_ms']:.3f} ms "
        f"direct, {proxy['p50_ms']:.3f} ms through nginx."
    )


def _slow_line(stage: Record) -> str:
    direct, through = (
        f"{each['first_p50_ms']:.1f} / {each['first_p99_ms']:.1f} ms over {each['counted']}"
        for each in (stage["direct"], stage["gateway"])
    )
    return (
        f"- Slow streams: TTFB p50 / p99 {through} streams through the gateway, {direct} direct. "
        f"CPU share {stage['cpu_share']:.2f}, {stage['rss_mib']:.0f} MiB."
    )


def _memory_line(memory: Record) -> str:
    return (
        f"- Memory: {memory['idle_mib']:.1f} MiB idle; {memory['after_mib']:.1f} after all other stages and "
        f"{memory['requests']:,} more chats; {memory['again_mib']:.1f} after as many again."
    )


def _adapters_line(adapters: Record) -> str:
    return (
        f"- Import of all adapters: {adapters['all_ms']:.0f} ms with the interpreter's start "
        f"(CPU {adapters['all_cpu_ms']:.0f}), of which {adapters['least_ms']:.0f} ms "
        f"(CPU {adapters['least_cpu_ms']:.0f}) are the start and msgspec; medians of {adapters['repeats']}."
    )


def _counts_line(record: Record) -> str:
    fast = record["ledger_rows"] - record["slow_streams"]["ledger"]["rows"] - 1
    outcomes = ", ".join(f"{name} {number:,}" for name, number in record["outcomes"].items())
    return (
        f"- The whole run: {record['ledger_rows']:,} rows ({outcomes}), {fast:,} of them for the fast mock "
        f"provider, which counted {record['upstream_calls']:,} calls (cut-off ones make the difference). "
        f"The fast one alone gives {record['baseline']['direct_chat']['per_second']:,.0f} chats/s."
    )


def _answers_line(record: Record) -> str:
    compared = ", ".join(f"{each['kind']} in {each['equal_in']}" for each in record["answers"])
    return (
        f"- Answers equal the provider's: {compared}. Start to ready {record['start_seconds']:.1f} s, "
        f"exit code after SIGTERM {record['exit_code']}."
    )


def _number(value: float) -> str:
    if value == int(value):
        return f"{value:,.0f}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {name: _rounded(each) for name, each in value.items()}
    return [_rounded(each) for each in value] if isinstance(value, list) else value
