"""docs/conformance.md is what the tests of now would write."""

import subprocess
import sys
from pathlib import Path

import pytest

from credentials.kinds import KINDS
from tests.conformance import FEATURES, features

ROOT = Path(__file__).parent.parent
DOCUMENT = ROOT / "docs/conformance.md"


def test_the_conformance_table_is_that_of_the_present_tests(tmp_path: Path) -> None:
    """Collected tests count as passed: one that fails is reported by its own name."""
    fresh = tmp_path / "conformance.md"
    command = ["-q", "--collect-only", "-p", "tests.conformance", "tests/gateway/providers"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *command, "--conformance", str(fresh)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    assert DOCUMENT.read_text(encoding="utf-8") == fresh.read_text(encoding="utf-8"), "run `make conformance`"


def test_every_provider_has_its_row() -> None:
    rows = [line.split(" | ") for line in DOCUMENT.read_text(encoding="utf-8").splitlines()[-len(KINDS) :]]
    assert [row[0].removeprefix("| ") for row in rows if len(row) == len(FEATURES) + 1][
        -len(KINDS) + 1 :
    ] == [kind.label for kind in KINDS.values() if kind.slug != "sandbox"]


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("01_plain", {"chat"}),
        ("04b_history_without_tools", {"chat", "tools"}),
        ("05_parallel_signatures", {"chat", "tools", "parallel tools"}),
        ("06_image_audio_pdf", {"chat", "images", "PDF"}),
        ("07_json_schema", {"chat", "JSON schema"}),
        ("09_stream_tools", {"stream", "tool stream"}),
        ("12_stream_thinking", {"stream", "reasoning"}),
        ("10_cached_usage", {"chat", "cached usage"}),
        ("15b_stream_exception_first", {"stream", "errors"}),
        ("21_embeddings_cohere", {"embeddings"}),
        ("02_speech_stream_pcm", {"speech"}),
        ("audio_transcription_verbose", {"transcription"}),
        ("errors", {"errors"}),
        ("errors/429_tokens", {"errors"}),
        ("unsupported", {"errors"}),
        ("chat_stream_tools_interleaved", {"stream", "tool stream", "parallel tools"}),
        ("responses_stream", set()),
        ("17_sigv4", set()),
    ],
)
def test_the_name_of_a_sample_says_what_it_shows(stem: str, expected: set[str]) -> None:
    assert features(stem) == expected
