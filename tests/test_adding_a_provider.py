"""docs/adding-a-provider.md, followed to the letter in a copy of the project; a chat with the result."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
TOY = ROOT / "tests" / "toy"
LEFT_OUT = shutil.ignore_patterns(
    ".*", "node_modules", "var", "results", "__pycache__", "*.pyc", "*.sqlite3", "*.log"
)

KIND = """
        ProviderKind(
            slug="toy", label="Toy", base_url="https://toy.example", model_prefixes=("toy-",)
        ),
"""
CHAT = """
from collections.abc import Iterator

import pytest

from tenants.actors import actor_for_user
from tenants.models import Organization, User
from tenants.services import token_create
from tests.fakes.provider import Provider, Reply
from tests.gateway.conftest import connect
from tests.live import Live, serve
from tests.toy import WIRE


@pytest.fixture
def live(transactional_db: None, acme: Organization, alice: User, fake: Provider) -> Iterator[Live]:
    base_url = f"http://127.0.0.1:{fake.port}"
    connect(acme, alice, fake, provider="toy", base_url=base_url, default_model="")
    _, token = token_create(actor=actor_for_user(alice), organization=acme, name="app")
    with serve(token) as running:
        yield running


@pytest.mark.parametrize("model", ["toy-1", "toy/toy-1"])
def test_a_chat_goes_through_it(live: Live, fake: Provider, model: str) -> None:
    body = b'{"id": "s1", "text": "Hello.", "end": "end", "tokens_in": 2, "tokens_out": 3}'
    fake.script = lambda asked: Reply(chunks=[(0, body)])
    response = live.chat(model=model)
    assert response.json()["choices"][0]["message"]["content"] == "Hello."
    assert response.headers["x-axiom-provider"] == "toy"
    assert (fake.asked[0].path, fake.asked[0].json["model"]) == ("/v1/say", "toy-1")
    (record,) = live.usage(1)
    assert (record.provider, record.input_tokens, record.output_tokens) == ("toy", 2, 3)


def test_a_stream_goes_through_it(live: Live, fake: Provider) -> None:
    raw = (WIRE / "08_stream_text.stream.sse").read_bytes()
    fake.script = lambda asked: Reply(headers={"content-type": "text/event-stream"}, chunks=[(0, raw)])
    text = live.chat(model="toy-1", stream=True).text
    assert '"content":"lo."' in text
    assert text.endswith("data: [DONE]\\n\\n")
"""


def steps() -> list[str]:
    """The files that the page names for a provider with a format of its own."""
    page = (ROOT / "docs/adding-a-provider.md").read_text(encoding="utf-8")
    chapter = page.partition("## It has a format of its own")[2].partition("\nNothing else")[0]
    found = re.findall(r"^\d\. `([^`]+)`", chapter, re.MULTILINE)
    return [path.replace("<slug>", "toy") for path in found]


def contents(root: Path) -> dict[str, str]:
    """Every file's digest, bytecode and caches apart."""
    return {
        str(path.relative_to(root)): sha256(path.read_bytes()).hexdigest()
        for path in root.rglob("*")
        if path.is_file() and not {"__pycache__", ".hypothesis", "var"} & set(path.parts)
    }


def insert(path: Path, before: str, text: str) -> None:
    """Put text before a line that is there once."""
    content = path.read_text(encoding="utf-8")
    assert content.count(before) == 1, f"{path.name}: {before}"
    path.write_text(content.replace(before, text + before), encoding="utf-8")


def follow(tree: Path) -> None:
    """Do what the page says, in its order."""
    providers = tree / "gateway/providers"
    shutil.copy(TOY / "adapter.py", providers / "toy.py")
    insert(providers / "registry.py", "\nADAPTERS", "from gateway.providers import toy\n")
    insert(providers / "registry.py", "    anthropic.ADAPTER.slug", "    toy.ADAPTER.slug: toy.ADAPTER,\n")
    insert(tree / "credentials/kinds.py", '        ProviderKind(\n            slug="sandbox"', KIND)
    insert(tree / "pyproject.toml", '  "azure",  ', '  "toy",\n')
    shutil.copytree(TOY / "wire", tree / "tests/wire/toy")
    shutil.copy(TOY / "suite.py", tree / "tests/gateway/providers/test_toy.py")
    insert(tree / "tests/interop/judges.py", '    "vertex":', '    "toy": lambda wire: [],\n')
    # What `make conformance` does, without waiting for the tests of all other providers.
    run(
        tree, "pytest", "-q", "--collect-only", "-p", "tests.conformance", "tests/gateway/providers",
        "--conformance", "docs/conformance.md",
    )  # fmt: skip


def run(tree: Path, *command: str) -> str:
    """Run a tool in the copy; it must succeed."""
    name, *arguments = command
    start = [sys.executable, "-B", "-m", name] if name == "pytest" else [str(BIN / name)]
    done = subprocess.run(
        [*start, *arguments],
        cwd=tree,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    copy = tmp_path_factory.mktemp("project") / "copy"
    shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
    yield copy
    shutil.rmtree(copy)


def test_who_follows_the_page_touches_the_files_it_names_and_is_done(tree: Path) -> None:
    before = contents(tree)
    follow(tree)
    after = contents(tree)
    touched = {path for path in after if before.get(path) != after[path]}
    named = steps()
    assert {path for path in touched if not path.startswith(tuple(named))} == set()
    assert [path for path in named if not any(each.startswith(path) for each in touched)] == []
    assert before.keys() <= after.keys()

    (tree / "tests/gateway/test_through_toy.py").write_text(CHAT, encoding="utf-8")
    run(
        tree, "pytest", "-q", "tests/test_shape.py", "tests/test_conformance.py",
        "tests/gateway/providers/test_toy.py", "tests/gateway/providers/test_model_lists.py",
        "tests/gateway/test_plan.py", "tests/gateway/test_through_toy.py",
    )  # fmt: skip
    run(tree, "ruff", "check", "gateway/providers/toy.py", "credentials/kinds.py")
    assert "0 broken" in run(tree, "lint-imports", "--no-logo")
    row = re.search(r"^\| Toy \| (.*) \|$", (tree / "docs/conformance.md").read_text("utf-8"), re.MULTILINE)
    assert row is not None
    assert row[1].split(" | ")[:3] == ["1", "1", "0"]
