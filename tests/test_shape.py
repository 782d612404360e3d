"""The shape of the house: sizes, and what must agree with what although no import says so."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.db.models import Model

from credentials.kinds import KINDS
from gateway.providers.registry import ADAPTERS

ROOT = Path(__file__).resolve().parent.parent
APPS = ("axiom", "audit", "tenants", "credentials", "finops", "gateway", "benchmarks")
FILE_LINES = 400
FUNCTION_LINES = 50
# A function past the limit, with the reason why it reads better whole.
LONG_FUNCTIONS: dict[str, str] = {}
LAYERS = {"audit": 0, "tenants": 1, "credentials": 2, "finops": 2, "gateway": 3}


def sources() -> list[Path]:
    """Return every source file of ours, migrations apart."""
    found = [path for app in APPS for path in sorted((ROOT / app).rglob("*.py"))]
    return [ROOT / "manage.py", *(path for path in found if "migrations" not in path.parts)]


def functions() -> Iterator[tuple[str, int]]:
    """Yield each function as `file:name`, with its length in lines."""
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                yield f"{path.relative_to(ROOT)}:{node.name}", node.end_lineno - node.lineno + 1


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_file_is_short_enough_to_read(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= FILE_LINES


def test_functions_are_short_enough_to_read() -> None:
    long = {name for name, lines in functions() if lines > FUNCTION_LINES}
    assert long == LONG_FUNCTIONS.keys()


def test_half_of_all_functions_are_under_ten_lines() -> None:
    lengths = sorted(lines for _, lines in functions())
    assert lengths[len(lengths) // 2] < 10


def test_every_provider_kind_has_an_adapter_and_the_other_way_round() -> None:
    assert ADAPTERS.keys() == KINDS.keys()
    assert all(slug == kind.slug for slug, kind in KINDS.items())


def test_settings_and_their_documentation_name_the_same_variables() -> None:
    settings = (ROOT / "axiom/settings.py").read_text(encoding="utf-8")
    read = set(re.findall(r'\benv_[a-z]+\(\s*"([A-Z_]+)"', settings))
    documented = re.findall(
        r"^\| `([A-Z_]+)` \|", (ROOT / "docs/configuration.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(documented) == sorted(read)


def test_secrets_are_documented_as_such() -> None:
    settings = (ROOT / "axiom/settings.py").read_text(encoding="utf-8")
    text = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    for name in re.findall(r'\benv_secret\(\s*"([A-Z_]+)"', settings):
        (row,) = re.findall(rf"^\| `{name}` \|.*$", text, re.MULTILINE)
        assert "secret" in row, f"{name} can be given as {name}_FILE; its row should say `secret`"


def test_every_system_check_is_documented() -> None:
    checks = (ROOT / "axiom/checks.py").read_text(encoding="utf-8")
    text = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    ids = set(re.findall(r'id="(axiom\.[EW]\d{3})"', checks))
    assert ids
    assert set(re.findall(r"^\| `(axiom\.[EW]\d{3})` \|", text, re.MULTILINE)) == ids


@pytest.mark.parametrize(
    "model", [model for app in LAYERS for model in apps.get_app_config(app).get_models()]
)
def test_foreign_keys_point_down_the_layers(model: type[Model]) -> None:
    """Foreign keys may be strings, which import-linter doesn't see."""
    layer = LAYERS[model._meta.app_label]
    for field in model._meta.get_fields():
        target = field.related_model if field.is_relation and field.concrete else None
        if not isinstance(target, type) or target._meta.app_label not in LAYERS:
            continue
        same_app = target._meta.app_label == model._meta.app_label
        assert same_app or LAYERS[target._meta.app_label] < layer, f"{model._meta.label}.{field.name}"


def test_links_in_the_documents_lead_somewhere() -> None:
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8")):
            if "://" not in target and not target.startswith("mailto:"):
                assert (document.parent / target).exists(), f"{document.relative_to(ROOT)}: {target}"
