"""The whole file: applying it in one transaction, and writing one."""

import re
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
from django.db import transaction

from credentials.models import ProviderCredential
from gateway.manifest.organizations import FIELDS as ORGANIZATION_FIELDS
from gateway.manifest.organizations import apply_organization, export_organization
from gateway.manifest.reading import Field, Report, compose, entries, read_entry
from gateway.manifest.run import Run
from tenants.actors import Actor
from tenants.models import Organization

FIELDS = {
    "organizations": Field(
        entries("an organization", ORGANIZATION_FIELDS, identity="slug"), required=True, nested=True
    )
}


def apply_manifest(path: Path, *, actor: Actor, dry_run: bool) -> Run:
    """Apply a file in one transaction, which a dry run rolls back. Nothing is ever deleted.

    Raises ManifestError with every problem of the file; then, too, nothing has changed.
    """
    report = Report(str(path))
    manifest = read_entry(compose(path), "the file", FIELDS, report)
    run = Run(actor=actor, report=report, directory=path.absolute().parent, dry_run=dry_run)
    with transaction.atomic():
        # With problems in the file, the sound entries are tried all the same, to find theirs.
        for entry in manifest.values.get("organizations", ()):
            apply_organization(run, entry)
        report.raise_if_any()
        transaction.set_rollback(dry_run)
    if dry_run:
        run.tokens.clear()
    return run


def export_manifest(organizations: Iterable[Organization]) -> str:
    """Return YAML that `apply` takes back without a change. It holds no secret and no token's text."""
    chosen = list(organizations)
    variables = _variables(chosen)
    exported = [export_organization(organization, variables) for organization in chosen]
    named = [
        credential["secret"]["env"]
        for entry in exported
        for credential in entry.get("credentials", ())
        if "secret" in credential
    ]
    return _header(named) + yaml.dump(
        {"organizations": exported},
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        default_flow_style=None,  # what holds no lists and mappings is written on one line
        width=110,
    )


def _header(variables: list[str]) -> str:
    if not variables:
        return ""
    lines = [
        "# Secrets are not exported. Where this is applied to another gateway, or to change a secret, set:",
        *(f"#   {name}" for name in variables),
        "# A credential that is there already keeps its secret while its variable is not set.",
    ]
    return "\n".join(lines) + "\n"


def _variables(organizations: Iterable[Organization]) -> dict[int, str]:
    """Return a variable's name for each credential, such as ACME_OPENAI_PRIMARY_SECRET; none twice."""
    names: dict[int, str] = {}
    taken: set[str] = set()
    rows = ProviderCredential.objects.filter(organization__in=list(organizations)).select_related(
        "organization"
    )
    for row in rows.order_by("organization__slug", "name"):
        words = re.sub(r"[^A-Z0-9]+", "_", f"{row.organization.slug}_{row.name}".upper()).strip("_")
        name, count = f"{words}_SECRET", 1
        while name in taken:
            count += 1
            name = f"{words}_{count}_SECRET"
        if name[0].isdigit():
            name = f"_{name}"
        taken.add(name)
        names[row.pk] = name
    return names


class _Dumper(yaml.SafeDumper):
    """Safe, and in the manifest's style."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> Any:  # noqa: FBT001, FBT002  (PyYAML's)
        """Indent lists below their key."""
        return super().increase_indent(flow, indentless=False)


def _write_number(dumper: yaml.SafeDumper, value: Decimal) -> yaml.Node:
    tag = "int" if value == value.to_integral_value() else "float"
    return dumper.represent_scalar(f"tag:yaml.org,2002:{tag}", f"{value.normalize():f}")


_Dumper.add_representer(Decimal, _write_number)
