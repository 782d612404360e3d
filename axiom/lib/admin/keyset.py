"""Admin lists over tables that only grow: pages by primary key, without counting rows."""

from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.http import HttpRequest

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList

    AnyPaginator = Paginator[Any]
else:
    AnyPaginator = Paginator
    from unfold.views import ChangeList

OLDER_THAN = "before"
NEWER_THAN = "after"


class KeysetPage(NamedTuple):
    """Rows, newest first, and whether there are more on either side."""

    rows: list[Any]
    has_newer: bool
    has_older: bool


class UncountedPaginator(AnyPaginator):
    """Stands where Django's list page expects a paginator; brings the older and newer links."""

    template_name = "admin/keyset_pagination.html"


def keyset_page(rows: QuerySet[Any], size: int, *, before: Any = None, after: Any = None) -> KeysetPage:
    """Return one page of `rows` by primary key, newest first, in at most two queries.

    `before` asks for rows older than that key, `after` for newer ones; neither gives the newest page.
    """
    if after is not None:
        newer = list(rows.filter(pk__gt=after).order_by("pk")[: size + 1])
        if len(newer) > size:
            return KeysetPage(newer[size - 1 :: -1], has_newer=True, has_older=True)
    older = rows.filter(pk__lt=before) if before is not None else rows
    page = list(older.order_by("-pk")[: size + 1])
    return KeysetPage(page[:size], has_newer=before is not None, has_older=len(page) > size)


class KeysetChangeList(ChangeList):
    """A change list that never counts and always sorts by primary key, newest first."""

    has_newer: bool
    has_older: bool

    def get_queryset(self, request: HttpRequest, exclude_parameters: Any = None) -> QuerySet[Model]:
        """Return the filtered rows; the position isn't a filter, and following a filter starts anew."""
        for name in (OLDER_THAN, NEWER_THAN):
            self.params.pop(name, None)
            self.filter_params.pop(name, None)
        return super().get_queryset(request, exclude_parameters)

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> list[Any]:
        """Return the only order there is."""
        return ["-pk"]

    def get_results(self, request: HttpRequest) -> None:
        """Fetch one page."""
        page = keyset_page(
            self.queryset,
            self.list_per_page,
            before=self._position(request, OLDER_THAN),
            after=self._position(request, NEWER_THAN),
        )
        self.result_list = page.rows
        self.has_newer, self.has_older = page.has_newer, page.has_older
        self.result_count = len(page.rows)
        self.full_result_count = self.result_count  # unknown; equal, so that the page claims nothing
        self.show_full_result_count = self.show_admin_actions = False
        self.can_show_all = self.multi_page = False
        self.paginator = UncountedPaginator(page.rows, self.list_per_page)

    @property
    def newest_url(self) -> str:
        """The first page, with the same filters."""
        return self.get_query_string()

    @property
    def newer_url(self) -> str:
        """The page before this one."""
        return self.get_query_string({NEWER_THAN: self.result_list[0].pk} if self.result_list else None)

    @property
    def older_url(self) -> str:
        """The page after this one."""
        return self.get_query_string({OLDER_THAN: self.result_list[-1].pk})

    def _position(self, request: HttpRequest, name: str) -> Any:
        """Return the key in the query string, or None when it's missing or isn't one."""
        text = request.GET.get(name, "")
        try:
            return self.model._meta.pk.to_python(text) if text and text.isprintable() else None
        except ValidationError:
            return None
