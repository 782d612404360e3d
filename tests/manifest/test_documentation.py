"""docs/configuration-as-code.md says what the commands do."""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.manifest import credentials, members, organizations, teams, tokens
from gateway.manifest.reading import Field
from tests.manifest.conftest import EXAMPLE, FULL

DOCUMENT = (Path(__file__).parent.parent.parent / "docs/configuration-as-code.md").read_text(encoding="utf-8")
NOUNS = {
    "organization": organizations.FIELDS,
    "team": teams.FIELDS,
    "member": members.FIELDS,
    "credential": credentials.FIELDS,
    "token": tokens.FIELDS,
}


def test_shows_the_example_that_the_tests_apply() -> None:
    assert f"```yaml\n{EXAMPLE}```" in DOCUMENT


@pytest.mark.parametrize(("noun", "fields"), NOUNS.items())
def test_names_exactly_the_keys_there_are(noun: str, fields: Mapping[str, Field]) -> None:
    section = DOCUMENT.split(f"| **{noun}** | | |\n")[1].split("| **")[0].split("\n\n")[0]
    named = [key for line in section.splitlines() for key in re.findall(r"`([a-z_]+)`", line.split("|")[1])]
    assert sorted(named) == sorted(fields)


@pytest.mark.parametrize("fields", NOUNS.values())
def test_every_key_is_in_the_file_that_is_applied_and_exported(fields: Mapping[str, Field]) -> None:
    assert all(re.search(rf"\b{key}:", FULL) for key in fields)
