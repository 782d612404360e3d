"""The samples themselves: none is forgotten."""

import json

import pytest

from tests.gateway.providers.samples import WIRE


@pytest.mark.parametrize("folder", ["openai", "azure", "compat"])
def test_a_manifest_names_every_file_of_its_folder(folder: str) -> None:
    root = WIRE / folder
    named = {about["file"] for about in json.loads((root / "manifest.json").read_text())["files"]}
    found = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    assert found == named | {"manifest.json"}
