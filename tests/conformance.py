"""The conformance table: which recorded samples each provider's tests pass, written from a run's results.

A pytest plugin, used by `make conformance`. A test is about the samples that its parameters name
(`08_stream_text` in a provider's own test file, `compat/groq_stream.stream.sse` elsewhere) or are (an entry
of an error table). What a sample shows follows from its name, so a new one needs no entry here. With
--collect-only, every test counts as passed: that is how a stale file is found.
"""

import json
import re
from collections import defaultdict
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import pytest

WIRE = Path(__file__).parent / "wire"
SUITES = "tests/gateway/providers"
PROPERTY = "conformance sample"

# Not chat, embeddings or audio: recorded for other endpoints, or no request at all.
ELSEWHERE = re.compile(
    r"(responses|messages|images|moderations|completion|models?|hosts|oauth|manifest)(_|$)|.*sigv4|.*encoding"
)
ERRORS = re.compile(r"(.*/)?(errors|unsupported)(/|$)")
# What a sample shows besides what it is, by words of its name.
DETAILS: Mapping[str, re.Pattern[str]] = {
    "parallel tools": re.compile(r"parallel|interleaved|same_index"),
    "images": re.compile(r"image|multimodal"),
    "PDF": re.compile(r"pdf"),
    "JSON schema": re.compile(r"json_schema"),
    "reasoning": re.compile(r"reasoning|think"),
    "cached usage": re.compile(r"cached"),
    "errors": re.compile(r"error|exception|truncated"),
}
TOOLS = re.compile(r"tool|parallel")
FEATURES = (
    "chat", "stream", "tools", "parallel tools", "tool stream", "images", "PDF", "JSON schema", "reasoning",
    "cached usage", "embeddings", "speech", "transcription", "errors",
)  # fmt: skip
# Offered by an adapter's chat as a rule; not by these.
LACKING: Mapping[str, frozenset[str]] = {"cohere": frozenset({"PDF"})}
HEAD = """# Conformance

How many recorded samples of each provider's wire format pass, by what they show. A sample is a request as
it must be sent, an answer or a stream as it must be read, or an error as it must be classed; streams are
replayed whole, byte by byte and cut at random. A sample counts when every test that names it has passed. A
sample that shows several things counts in several columns: a streamed tool call is a stream, too.

Written by `make conformance` from the results of a test run; a test fails when this file is stale.

- `3`: that many samples pass
- `2 of 3`: one of them fails
- `0`: offered, and nothing of the kind is recorded for this provider alone; what speaks OpenAI's format is
  tested with OpenAI's samples
- `-`: not offered through the gateway

"""


class Sample(NamedTuple):
    """One recorded case: a file below tests/wire, named up to its first dot, or one entry of a list in it."""

    folder: str
    stem: str
    entry: int = 0


class Recorded(NamedTuple):
    """The samples of a folder: those of files with what finds their names, and entries of lists."""

    files: list[tuple[re.Pattern[str], list[Sample]]]
    entries: list[tuple[Any, Sample]]


def read_folder(folder: str) -> Recorded:
    """Read tests/wire/<folder>. The files of a case share a stem; of an error table, each entry is a case."""
    root = WIRE / folder
    found = Recorded([], [])
    files = (path.relative_to(root) for path in sorted(root.rglob("*")) if path.is_file())
    stems = dict.fromkeys((file.parent / file.name.partition(".")[0]).as_posix() for file in files)
    for stem in stems:
        entries = _entries(root / f"{stem}.json")
        samples = [Sample(folder, stem, index) for index in range(len(entries))] or [Sample(folder, stem)]
        name = re.compile(rf"(?<![A-Za-z0-9_]){re.escape(stem)}(?![A-Za-z0-9_/])")
        found.files.append((name, samples))
        # Of a table of variants, the file is the sample, whichever variant is tried.
        found.entries.extend((entry, Sample(folder, stem, index)) for index, entry in enumerate(entries))
        found.entries.extend((variant, Sample(folder, stem)) for variant in _variants(root / f"{stem}.json"))
    return found


def _entries(path: Path) -> list[Any]:
    content = _object(path)
    return content.get("errors") or content.get("items") or []


def _variants(path: Path) -> list[Any]:
    return _object(path).get("variants") or []


def _object(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    return content if isinstance(content, dict) and "kind" in content else {}


def features(stem: str) -> frozenset[str]:
    """Return the columns in which a sample counts."""
    if ERRORS.match(stem):
        return frozenset({"errors"})
    if ELSEWHERE.match(stem):
        return frozenset()
    for endpoint, word in (("embeddings", "embeddings"), ("transcription", "transcription")):
        if word in stem:
            return frozenset({endpoint})
    if "speech" in stem or "formats" in stem:
        return frozenset({"speech"})
    streamed = "stream" in stem
    found = {"stream" if streamed else "chat"}
    if TOOLS.search(stem):
        found.add("tool stream" if streamed else "tools")
    return frozenset(found | {name for name, words in DETAILS.items() if words.search(stem)})


def samples_of(item: pytest.Item, recorded: Mapping[str, Recorded]) -> list[Sample]:
    """Return the samples that a test's parameters name or are; a folder's own file may leave it out."""
    callspec = getattr(item, "callspec", None)
    if callspec is None:
        return []
    folders = [folder for folder in recorded if f"{folder}/" in callspec.id]
    own = re.match(r"test_([a-z0-9]+)", item.path.name)
    if not folders and own and own[1] in recorded:
        folders = [own[1]]
    given = [value for value in callspec.params.values() if isinstance(value, dict)]
    found: dict[Sample, None] = {}
    for folder in folders:
        entries = [sample for entry, sample in recorded[folder].entries if entry in given]
        named = [each for name, each in recorded[folder].files if name.search(callspec.id)]
        found |= dict.fromkeys(entries or chain.from_iterable(named))
    return list(found)


def provider_of(sample: Sample) -> str:
    """Return the slug of the provider that a sample is of; those of `compat` begin with it."""
    from tests.gateway.providers.samples import slug_of

    return slug_of(sample.folder, Path(sample.stem).name)


def render(passed: Mapping[Sample, bool]) -> str:
    """Return the document for samples that passed or failed."""
    from credentials.kinds import KINDS

    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for sample, is_passed in passed.items():
        for feature in features(sample.stem):
            count = counts[provider_of(sample), feature]
            count[0] += is_passed
            count[1] += 1
    lines = [f"| provider | {' | '.join(FEATURES)} |", "|---" * (len(FEATURES) + 1) + "|"]
    for kind in KINDS.values():
        if kind.slug != "sandbox":
            cells = [_cell(kind.slug, feature, counts[kind.slug, feature]) for feature in FEATURES]
            lines.append(f"| {kind.label} | {' | '.join(cells)} |")
    return HEAD + "\n".join(lines) + "\n"


def _cell(slug: str, feature: str, count: list[int]) -> str:
    passed, total = count
    if total:
        return str(total) if passed == total else f"{passed} of {total}"
    return "0" if _offers(slug, feature) else "-"


def _offers(slug: str, feature: str) -> bool:
    from gateway.providers.registry import ADAPTERS

    adapter = ADAPTERS[slug]
    if feature == "errors":
        return True
    if feature in {"embeddings", "speech", "transcription"}:
        return getattr(adapter, f"build_{feature}") is not None
    return adapter.build_chat is not None and feature not in LACKING.get(slug, ())


class Recorder:
    """Says which samples each test is about, collects what passed, and writes the document at the end."""

    def __init__(self, path: Path, *, is_worker: bool) -> None:
        self._path = path
        self._is_worker = is_worker  # of xdist: its results reach the controller as reports
        self._passed: dict[Sample, bool] = {}

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Attach the samples to each test; with --collect-only, take every test for passed."""
        recorded = {path.name: read_folder(path.name) for path in sorted(WIRE.iterdir()) if path.is_dir()}
        for item in items:
            found = samples_of(item, recorded)
            item.user_properties.extend((PROPERTY, list(sample)) for sample in found)
            if config.option.collectonly:
                self._note(item.user_properties, is_passed=True)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a result."""
        if report.when == "call" or report.failed:
            self._note(report.user_properties, is_passed=report.passed)

    def _note(self, properties: list[tuple[str, Any]], *, is_passed: bool) -> None:
        for name, value in properties:
            if name == PROPERTY:
                sample = Sample(*value)
                self._passed[sample] = self._passed.get(sample, True) and is_passed

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        """Write the document, unless not all tests could be read or run."""
        if not self._is_worker and exitstatus in {pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED}:
            self._path.write_text(render(self._passed), encoding="utf-8")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --conformance."""
    parser.addoption("--conformance", type=Path, metavar="FILE", help="write the conformance table to FILE")


def pytest_configure(config: pytest.Config) -> None:
    """Record where --conformance is given."""
    path = config.getoption("--conformance")
    if path is not None:
        config.pluginmanager.register(Recorder(path, is_worker=hasattr(config, "workerinput")))
