"""One run of `apply`: what each entry came to, and the plan that people read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.db import transaction

from gateway.manifest.reading import Entry, Report
from tenants.actors import Actor
from tenants.models import Membership, Organization, Team, User

Changes = dict[str, str]  # what changed, and how, in words
CREATED = None  # what an action returns in place of changes
LONGEST_SHOWN = 60  # characters of a value in the plan


class Unsettled(Exception):
    """An entry refers to another one of the file whose own problem is noted already."""


@dataclass
class Run:
    """The state of one run."""

    actor: Actor
    report: Report
    directory: Path  # of the manifest; paths of secrets start here
    dry_run: bool
    created: list[str] = field(default_factory=list)
    updated: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict, repr=False)
    plan: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def settle(self, label: str, entry: Entry, action: Callable[[], Changes | None]) -> None:
        """Do one entry's work in a savepoint; note what it came to, or what is wrong and on which line."""
        if not entry.sound:
            return
        try:
            with transaction.atomic():
                changes = action()
        except ValidationError as problem:
            self._note(label, entry, problem)
        except Unsettled:
            pass
        else:
            self._count(label, changes)

    def _count(self, label: str, changes: Changes | None) -> None:
        if changes is CREATED:
            self.created.append(label)
            self.plan.append(f"+ {label}")
        elif changes:
            self.updated.append(label)
            self.plan.append(f"~ {label} {', '.join(f'{name} {text}' for name, text in changes.items())}")
        else:
            self.unchanged.append(label)

    def _note(self, label: str, entry: Entry, problem: ValidationError) -> None:
        if not hasattr(problem, "error_dict"):
            self.report.add(entry.line, f"{label}: {' '.join(problem.messages)}")
            return
        for key, messages in problem.message_dict.items():
            prefix = label if key == NON_FIELD_ERRORS else f"{label}: {key}"
            self.report.add(entry.line_of(key), f"{prefix}: {' '.join(messages)}")


@dataclass(frozen=True)
class Place:
    """The organization that entries are applied to, and the names that the file itself declares in it."""

    organization: Organization
    declared_teams: frozenset[str]
    declared_members: frozenset[str]

    def teams(self, slugs: tuple[str, ...], *, key: str) -> list[Team]:
        """Return the teams with these slugs. Raises ValidationError or Unsettled."""
        found = {team.slug: team for team in self.organization.teams.filter(slug__in=slugs)}
        self._refuse_missing("team", key, slugs, set(found), self.declared_teams)
        return [found[slug] for slug in slugs]

    def users(self, emails: tuple[str, ...], *, key: str) -> list[User]:
        """Return the members with these addresses. Raises ValidationError or Unsettled."""
        wanted = tuple(email.lower() for email in emails)
        members = Membership.objects.for_organization(self.organization.pk).select_related("user")
        found = {member.user.email: member.user for member in members.filter(user__email__in=wanted)}
        self._refuse_missing("member", key, wanted, set(found), self.declared_members)
        return [found[email] for email in wanted]

    def _refuse_missing(
        self, noun: str, key: str, wanted: tuple[str, ...], found: set[str], declared: frozenset[str]
    ) -> None:
        missing = [name for name in wanted if name not in found]
        unknown = [name for name in missing if name.lower() not in declared]
        if unknown:
            raise ValidationError({key: f"{self.organization.slug} has no {noun} {', '.join(unknown)}."})
        if missing:
            raise Unsettled


def keys_to_change(current: Mapping[str, Any], wanted: Mapping[str, Any]) -> frozenset[str]:
    """Return the keys whose value the file wants otherwise; what it leaves out stays as it is."""
    return frozenset(key for key, value in wanted.items() if current[key] != value)


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Changes:
    """Return what has changed, in words. A service may have cleaned a value into the one that was there."""
    return {
        key: f"{shown(before[key])} -> {shown(value)}" for key, value in after.items() if before[key] != value
    }


def shown(value: Any) -> str:
    """Return a value as the plan writes it."""
    match value:
        case None:
            text = "none"
        case bool():
            text = str(value).lower()
        case Decimal():
            text = f"{value.normalize():f}"
        case datetime() | date():
            text = value.isoformat()
        case list() | tuple():
            text = f"[{', '.join(shown(item) for item in value)}]"
        case dict():
            text = "{" + ", ".join(f"{key}: {shown(item)}" for key, item in sorted(value.items())) + "}"
        case _:
            text = str(value) if value and not str(value).split()[1:] else f'"{value}"'
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…"
