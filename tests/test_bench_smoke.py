"""The benchmark isn't run by the tests; its files must at least be whole and agree with the project."""

import ast
import sys
from pathlib import Path

import pytest
import yaml

from credentials.kinds import KINDS

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
SCRIPTS = sorted(BENCHMARKS.rglob("*.py"))
ALLOWED = sys.stdlib_module_names | {"harness", "psutil", "uvloop"}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: str(path.relative_to(BENCHMARKS)))
def test_imports_nothing_but_the_standard_library_psutil_and_uvloop(path: Path) -> None:
    imported: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add((node.module or "").partition(".")[0])
    assert imported <= ALLOWED


def test_configures_known_providers_in_one_organization() -> None:
    document = yaml.safe_load((BENCHMARKS / "gateway.yaml.template").read_text())
    (organization,) = document["organizations"]
    assert organization["slug"] == "bench"
    assert [each["default_model"] for each in organization["credentials"]] == [
        "bench-chat",
        "bench-stream",
        "bench-slow",
        "claude-sonnet-4-5",
        "gemini-2.5-flash",
        "us.anthropic.claude-haiku-4-5-20251001-v1:0",
    ]
    assert {each["provider"] for each in organization["credentials"]} <= set(KINDS)


def test_stands_on_its_templates() -> None:
    assert sorted(path.name for path in BENCHMARKS.glob("nginx/*.template")) == [
        "proxy.conf.template",
        "upstream.conf.template",
        "upstream.js.template",
    ]
    assert (BENCHMARKS / "wrk" / "post.lua").is_file()
