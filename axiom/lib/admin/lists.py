"""Admin list pages and the filter by organization."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from django.contrib.admin import SimpleListFilter
from django.contrib.admin.views.main import ORDER_VAR
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.text import capfirst

from axiom.lib.admin.access import access_of
from axiom.lib.admin.keyset import KeysetChangeList

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList
else:
    from unfold.views import ChangeList

ORGANIZATION = "organization"


def moment(when: datetime | None) -> str:
    """Return a time in UTC to the second, short enough for a column."""
    return "" if when is None else when.astimezone(UTC).strftime("%Y-%m-%d\N{NO-BREAK SPACE}%H:%M:%S")


def day(when: datetime | None) -> str:
    """Return the day of a time, in UTC."""
    return moment(when)[:10]


class OrganizationFilter(SimpleListFilter):
    """By organization, for people who see more than one; it offers no other."""

    title = ORGANIZATION
    parameter_name = ORGANIZATION

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the organizations that the person sees."""
        organizations = access_of(request).organizations
        if len(organizations) < 2:
            return []
        return [(str(organization_id), name) for organization_id, name in organizations.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrow the rows, which are already confined to what the person sees."""
        value = self.value()
        if value is None:
            return queryset
        known = value.isdecimal() and int(value) in access_of(request).organizations
        return queryset.filter(organization_id=int(value)) if known else queryset.none()


class OrgChangeList(ChangeList):
    """A list whose rows the admin completes, page by page."""

    model_admin: Any
    title: Any

    def get_ordering_field_columns(self) -> Any:
        """Mark the columns that somebody chose to sort by, not those of the usual order."""
        return super().get_ordering_field_columns() if ORDER_VAR in self.params else {}

    def get_results(self, request: HttpRequest) -> None:
        """Fetch one page of rows."""
        super().get_results(request)
        self.result_list = list(self.result_list)
        self.model_admin.complete_rows(request, self.result_list)
        self.title = capfirst(self.opts.verbose_name_plural)


class LedgerChangeList(KeysetChangeList):
    """The same for a table that only grows."""

    model_admin: Any
    title: Any

    def get_results(self, request: HttpRequest) -> None:
        """Fetch one page of rows."""
        super().get_results(request)
        self.model_admin.complete_rows(request, self.result_list)
        self.title = capfirst(self.opts.verbose_name_plural)
