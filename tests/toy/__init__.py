"""A provider that doesn't exist, made by docs/adding-a-provider.md: see tests/test_adding_a_provider.py."""

from pathlib import Path

WIRE = Path(__file__).parent / "wire"
