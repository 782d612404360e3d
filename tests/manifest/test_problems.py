"""What `apply` refuses: every problem of a file, with its line, and nothing changed."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from audit.models import AuditEvent
from credentials.models import ProviderCredential
from tenants.models import AccessToken, Organization
from tests.manifest.conftest import EXAMPLE, Apply

Problems = Callable[[str], list[str]]


@pytest.fixture
def problems(apply: Apply, tmp_path: Path) -> Problems:
    """Apply a manifest that must be refused; return its problems, without the file's path."""

    def run(text: str) -> list[str]:
        with pytest.raises(CommandError) as refusal:
            apply(text)
        *lines, last = str(refusal.value).splitlines()
        assert (
            last == ("1 problem" if len(lines) == 1 else f"{len(lines)} problems") + ": nothing was changed."
        )
        assert Organization.objects.count() == 0
        assert AuditEvent.objects.count() == 0
        prefix = f"{tmp_path / 'acme.yaml'}:"
        assert all(line.startswith(prefix) for line in lines)
        return [line.removeprefix(prefix) for line in lines]

    return run


def credential(rest: str) -> str:
    """Return a manifest with one credential; `rest` begins on line 5."""
    return "organizations:\n  - slug: acme\n    credentials:\n      - name: one\n" + "".join(
        f"        {line}\n" for line in rest.splitlines()
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("organisations: []", ["1: the file has no key organisations: did you mean organizations?"]),
        (
            "organizations:\n  - {slug: acme, nmae: Acme}",
            ["2: an organization has no key nmae: did you mean name?"],
        ),
        (
            "organizations:\n  - slug: acme\n    zzz: 1",
            [
                "3: an organization has no key zzz: "
                "known are slug, name, active, teams, members, credentials, tokens."
            ],
        ),
        ("organizations:\n  - {slug: acme, ? [a] : 1}", ["2: an organization has no key of this kind: "]),
        ("organizations:\n  - {name: Acme}", ["2: an organization needs the key slug."]),
        ("organizations: acme", ["1: organizations must be a list."]),
        ("organizations:\n  - acme", ["2: an organization must be a mapping with the keys slug, "]),
        ("- acme", ["1: the file must be a mapping with the keys organizations."]),
        (
            "organizations:\n  - slug: acme\n    slug: other",
            ["3: slug is given twice, first on line 2."],
        ),
        (
            "organizations:\n  - slug: acme\n  - slug: acme",
            ["3: an organization with the slug acme is there already, on line 2."],
        ),
        ("organizations:\n  - slug: 42", ['2: slug must be text: put quotes around it ("42").']),
        ("organizations:\n  - slug:", ["2: slug has no value."]),
        ("organizations:\n  - slug: [acme]", ["2: slug must be text, not a list."]),
        (
            "organizations:\n  - {slug: acme, active: maybe}",
            ["2: active must be true or false, not 'maybe'."],
        ),
        (
            "organizations:\n  - slug: acme\n    members:\n      - {email: a@acme.example, role: admn}",
            ["4: role cannot be 'admn': did you mean admin?"],
        ),
        (
            "organizations:\n  - slug: acme\n    tokens:\n      - {name: app, models: '*'}",
            ["4: models must be a list such as [\"...\"], not '*'."],
        ),
        (
            "organizations:\n  - slug: acme\n    tokens:\n      - {name: app, models: [4]}",
            ['4: each of models must be text: put quotes around it ("4").'],
        ),
        (
            "organizations:\n  - slug: acme\n    tokens:\n      - {name: app, expires_at: soon}",
            ["4: expires_at must be a time such as 2027-01-31T12:00:00Z, not 'soon'."],
        ),
    ],
)
def test_names_the_line_of_what_cannot_be_read(problems: Problems, text: str, expected: list[str]) -> None:
    found = problems(text)
    assert len([line for line in found if line.startswith(expected[0])]) == 1
    assert found[0].startswith(expected[0])


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ("provider: opnai", "5: provider cannot be 'opnai': did you mean openai?"),
        ("provider: sandbox\nweight: heavy", "6: weight must be a number such as 0.7, not 'heavy'."),
        ("provider: sandbox\nweight: .inf", "6: weight must be a number such as 0.7, not '.inf'."),
        ("provider: sandbox\nweight: -1", "6: credential acme/one: weight: "),
        ("provider: sandbox\nweight: 0.00001", "6: credential acme/one: weight: "),
        ("provider: sandbox\nenabled: 1", "6: enabled must be true or false, not '1'."),
        ("provider: sandbox\nrotate_by: 31.1.2027", "6: rotate_by must be a date such as 2027-01-31, not "),
        ("provider: sandbox\nenvironment: prod", "6: environment cannot be 'prod': did you mean production?"),
        ("provider: sandbox\nconfig: []", "6: config must be a mapping of settings, not a list."),
        ("provider: sandbox\nconfig: {region: eu}", "6: credential acme/one: config: region: "),
        ("provider: sandbox\nteams: [red]", "6: credential acme/one: teams: acme has no team red."),
        (
            "provider: sandbox\nusers: [a@b.example]",
            "6: credential acme/one: users: acme has no member a@b.example.",
        ),
        ("provider: openai", "4: credential acme/one: secret: This provider needs one."),
        (
            "provider: openai\nsecret: {env: NOT_SET}",
            "6: credential acme/one: secret: The environment variable NOT_SET",
        ),
        ("provider: openai\nsecret: {file: none}", "6: credential acme/one: secret: The file "),
        ("provider: groq\nsecret: {file: acme.yaml}", "6: credential acme/one: secret: This isn't a key: "),
    ],
)
def test_names_the_line_of_what_a_credential_cannot_be(problems: Problems, rest: str, expected: str) -> None:
    assert problems(credential(rest))[0].startswith(expected)


@pytest.mark.parametrize(
    "written",
    [
        "sk-live-0123456789",
        "{value: sk-live-0123456789}",
        "[sk-live-0123456789]",
        "{env: A, file: B}",
        "12345678",
    ],
)
def test_a_secret_in_the_file_is_refused_and_not_repeated(problems: Problems, written: str) -> None:
    (problem,) = problems(credential(f"provider: openai\nsecret: {written}"))
    assert problem == (
        "6: secret must say where the secret is: {env: NAME} or {file: PATH}. It is never written here."
    )


def test_a_secret_in_place_of_a_variables_name_is_not_repeated(problems: Problems) -> None:
    (problem,) = problems(credential("provider: openai\nsecret: {env: sk-live-0123456789}"))
    assert problem == ("6: secret.env must be the name of an environment variable, such as OPENAI_API_KEY.")


def test_a_private_address_is_refused_with_the_name_of_the_setting(
    problems: Problems, openai_key: str, settings: Any
) -> None:
    settings.AXIOM_EGRESS_ALLOW = []
    (problem,) = problems(EXAMPLE)
    assert problem.startswith("6: credential acme/openai-primary: base_url: ")
    assert "AXIOM_EGRESS_ALLOW" in problem


def test_lists_every_problem_in_the_order_of_the_lines(
    problems: Problems, openai_key: str, settings: Any
) -> None:
    settings.AXIOM_EGRESS_ALLOW = []
    text = EXAMPLE + "      - {name: two, models: 4, scops: []}\n  - {slug: 'Not a slug', name: Other}\n"
    found = problems(text)
    assert [line.partition(":")[0] for line in found] == ["6", "9", "9", "10"]
    assert "AXIOM_EGRESS_ALLOW" in found[0]
    assert found[3].startswith("10: organization Not a slug: slug: ")


def test_does_not_complain_about_what_another_problem_explains(problems: Problems) -> None:
    text = (
        "organizations:\n"
        "  - slug: acme\n"
        "    teams: [{slug: 'R E D'}]\n"
        "    members: [{email: nobody}]\n"
        "    tokens:\n"
        "      - {name: one, team: 'R E D'}\n"
        "      - {name: two, user: nobody}\n"
    )
    found = problems(text)
    assert [line.partition(":")[0] for line in found] == ["3", "4"]


def test_an_error_in_the_middle_changes_nothing(apply: Apply, openai_key: str) -> None:
    apply(EXAMPLE)
    before = AuditEvent.objects.count()
    broken = EXAMPLE.replace("Acme Inc", "Changed").replace("weight: 0.7", "weight: 1").replace('["*"]', "[]")
    with pytest.raises(
        CommandError, match=r"acme\.yaml:8: token acme/app: .*\n1 problem: nothing was changed\.$"
    ):
        apply(broken)
    assert Organization.objects.get().name == "Acme Inc"
    assert str(ProviderCredential.objects.get().weight) == "0.7000"
    assert AccessToken.objects.get().allowed_models == ["*"]
    assert AuditEvent.objects.count() == before


def test_problems_leave_standard_output_empty(
    apply: Apply, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError):
        apply("organizations: 1", "--json")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", " is empty: it must begin with organizations:"),
        ("# nothing\n", " is empty: it must begin with organizations:"),
        ("a: [1\nb: 2", ":2: this is not YAML: "),
        ("a: 1\n---\nb: 2\n", ":2: this is not YAML: but found another document."),
        ("a: *b", ":1: this is not YAML: found undefined alias"),
        ("\x00", " is not YAML: it is not UTF-8 text."),
        ("[" * 5000, " is not YAML that can be read: it is nested too deeply."),
    ],
)
def test_what_is_not_yaml_is_one_line(apply: Apply, tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(CommandError) as refusal:
        apply(text)
    message = str(refusal.value)
    assert message.startswith(f"{tmp_path / 'acme.yaml'}{expected}")
    assert "\n" not in message


def test_bytes_that_are_not_text_are_one_line(db: None, tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"organizations: [\xe9]")
    with pytest.raises(CommandError, match=r"latin\.yaml is not YAML: it is not UTF-8 text\.$"):
        call_command("apply", str(tmp_path / "latin.yaml"))


@pytest.mark.parametrize(
    ("name", "reason"), [("none.yaml", "No such file or directory"), (".", "Is a directory")]
)
def test_a_file_that_is_not_there_is_one_line(db: None, tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(CommandError, match=rf"cannot be read: {reason}\.$"):
        call_command("apply", str(tmp_path / name))


def test_tags_make_no_objects(problems: Problems) -> None:
    (problem,) = problems("organizations:\n  - slug: !!python/object/apply:os.getcwd []\n")
    assert problem == "2: slug must be text, not a list."
