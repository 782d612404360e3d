"""The base of every admin page: which rows exist for a person, what they may do, and saving through services.

It knows no app: `request.access` (attached by tenants.middleware) answers for the roles, and subclasses name
their permissions and call their services. Django's own permission tables are not used.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, cast
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.admin import ShowFacets, display
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from axiom.lib.admin.access import access_of
from axiom.lib.admin.forms import ServiceForm, refusals_as_validation_errors
from axiom.lib.admin.lists import ORGANIZATION, LedgerChangeList, OrgChangeList
from axiom.lib.scoping import TenantQuerySet

if TYPE_CHECKING:
    from django.contrib import admin
    from django.contrib.admin.views.main import ChangeList

    ModelAdmin = admin.ModelAdmin[Any]  # which unfold's is a subclass of, without types
else:
    from unfold.admin import ModelAdmin
    from unfold.views import ChangeList

AUDIT_VIEW = "audit.view"


class OrgScopedAdmin(ModelAdmin):
    """An admin over the rows of the person's organizations.

    A subclass names its permissions and defines `create_row`, `update_row` and `delete_row` as calls of its
    services, as far as there are such permissions.
    """

    permissions: ClassVar[
        Mapping[str, str]
    ] = {}  # of view, add, change, delete; what is missing nobody may do
    target_type: ClassVar[str] = ""  # what the audit record calls such a row
    form: Any = ServiceForm
    list_per_page = 50
    show_facets = ShowFacets.NEVER  # they count
    view_fieldsets: ClassVar[Any] = None  # what people see who may not change the row, if something else
    asks_organization: ClassVar[bool] = True  # whether a new row needs one

    # -- which rows exist

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows that the person may see; no page of this admin sees more."""
        rows = cast("TenantQuerySet[Any]", super().get_queryset(request))
        return rows.visible_to(access_of(request).viewer(self.permissions["view"]))

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> Any:
        """Return the row if it's among those, else None."""
        row = super().get_object(request, object_id, from_field)
        if row is not None:
            self.complete_rows(request, [row])
        return row

    def complete_rows(self, request: HttpRequest, rows: Sequence[Any]) -> None:
        """Add to rows what their page shows beside their own fields."""
        names = access_of(request).organizations
        for row in rows:
            row.organization_label = names.get(self.organization_id_of(row) or 0, "")

    def organization_id_of(self, row: Any) -> int | None:
        """Return the organization that a row belongs to."""
        return cast("int | None", row.organization_id)

    # -- what a person may do

    def allowed(self, request: HttpRequest, verb: str, row: Any = None) -> bool:
        """Tell whether the person may `verb` this row, or any row at all when none is given."""
        permission = self.permissions.get(verb)
        if permission is None:
            return False
        if row is None:
            return access_of(request).may_somewhere(permission)
        return access_of(request).may(self.organization_id_of(row), permission)

    def has_module_permission(self, request: HttpRequest) -> bool:
        """Tell whether the model shows up at all."""
        return self.allowed(request, "view")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Answer from the roles."""
        return self.allowed(request, "view", obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Answer from the roles."""
        return self.allowed(request, "add")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Answer from the roles."""
        return self.allowed(request, "change", obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Answer from the roles."""
        return self.allowed(request, "delete", obj)

    # -- the organization of a form

    def offered_organizations(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the organizations in which the person may add a row."""
        model = self.model._meta.get_field(ORGANIZATION).related_model
        viewer = access_of(request).viewer(self.permissions["add"])
        return cast("QuerySet[Any]", model._default_manager.visible_to(viewer))

    def form_organization(self, request: HttpRequest, row: Any = None) -> Any:
        """Return the organization of the row, or of the one to add; None while it must be chosen."""
        if row is not None:
            return row.organization
        offered = self.offered_organizations(request)
        if chosen := request.POST.get(ORGANIZATION) or request.GET.get(ORGANIZATION):
            return offered.filter(pk=chosen).first() if chosen.isdecimal() else None
        first_two = offered[:2]
        return first_two[0] if len(first_two) == 1 else None

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Show the form, after asking for the organization where there is a choice."""
        asks = self.asks_organization and self.has_add_permission(request)
        if asks and self.form_organization(request) is None:
            return self.choose_organization(request)
        return super().add_view(request, form_url, extra_context)

    def choose_organization(self, request: HttpRequest) -> HttpResponse:
        """Ask in which organization to add."""
        context = {
            **self.admin_site.each_context(request),
            "title": f"Add {self.opts.verbose_name}",
            "opts": self.opts,
            "offered": self.offered_organizations(request),
            "chosen": request.POST.get(ORGANIZATION) or request.GET.get(ORGANIZATION),
        }
        return TemplateResponse(request, "admin/choose_organization.html", context)

    # -- lists and forms

    @display(description="organization", ordering=ORGANIZATION)
    def organization_name(self, row: Any) -> str:
        """The organization, for people who see several."""
        return getattr(row, "organization_label", "") or str(row.organization)

    def shows_organization(self, request: HttpRequest) -> bool:
        """Tell whether pages say which organization a row is of."""
        return self.asks_organization and len(access_of(request).organizations) > 1

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the class of the list page."""
        return OrgChangeList

    def get_list_display(self, request: HttpRequest) -> Any:
        """Add the organization where it's a question."""
        first, *others = super().get_list_display(request)
        return [first, "organization_name", *others] if self.shows_organization(request) else [first, *others]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Add the organization where it's a question."""
        fieldsets = super().get_fieldsets(request, obj)
        if self.view_fieldsets and obj is not None and not self.has_change_permission(request, obj):
            fieldsets = self.view_fieldsets
        if not self.shows_organization(request):
            return fieldsets
        (title, options), *others = fieldsets
        return [(title, {**options, "fields": ["organization_name", *options["fields"]]}), *others]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the fields that only show; a row stays in its organization."""
        return [*super().get_readonly_fields(request, obj), "organization_name"]

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002  (Django's signature)
        """Tell the form who asks, for which organization, and what the service refused."""
        form: Any = super().get_form(request, obj, change=change, **kwargs)
        form.access = access_of(request)
        form.organization = self.form_organization(request, obj)
        form.service_errors = getattr(request, "service_errors", None)
        return form

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Return the buttons of the change form that the person may press for this row."""
        row = self.get_object(request, unquote(str(object_id)))
        buttons: list[Any] = super().get_actions_detail(request, object_id)  # type: ignore[misc]  # unfold's
        return [each for each in buttons if row is not None and self.allowed(request, each.method.verb, row)]

    # -- saving

    def create_row(self, actor: Any, form: Any) -> Any:
        """Return the row that the service made of a form. Raises ValidationError, PermissionDenied."""
        raise NotImplementedError

    def update_row(self, actor: Any, row: Any, form: Any) -> None:
        """Have the service change the row that `row` names. Raises ValidationError, PermissionDenied."""
        raise NotImplementedError

    def delete_row(self, actor: Any, row: Any) -> None:
        """Have the service delete a row. Raises ValidationError, PermissionDenied."""
        raise NotImplementedError

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:  # noqa: FBT001  (Django's)
        """Save through the service; `obj` is what the form made of the row, and is never saved itself."""
        actor = access_of(request).actor
        with refusals_as_validation_errors():
            if change:
                self.update_row(actor, obj, form)
            else:
                obj.pk = self.create_row(actor, form).pk
        obj.refresh_from_db()

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:  # noqa: FBT001  (Django's)
        """Nothing is left to do: the service saved the relations too."""

    def delete_model(self, request: HttpRequest, obj: Any) -> None:
        """Delete through the service."""
        with refusals_as_validation_errors():
            self.delete_row(access_of(request).actor, obj)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Delete through the service, one by one."""
        for row in queryset:
            self.delete_model(request, row)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: Any = None,
    ) -> Any:
        """Show the form; after a service refused it, show it again with what the service said."""
        context = {
            "show_save_and_add_another": False,
            "show_history": bool(self.target_type) and access_of(request).may_somewhere(AUDIT_VIEW),
            **(extra_context or {}),
        }
        try:
            return super().changeform_view(request, object_id, form_url, context)
        except ValidationError as problem:
            request.service_errors = problem  # type: ignore[attr-defined]
            return super().changeform_view(request, object_id, form_url, context)

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show the list or run an action on it, whole or not at all."""
        return self.or_explain(
            request, lambda: super(OrgScopedAdmin, self).changelist_view(request, extra_context)
        )

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Delete one row, or say why not."""
        view = super().delete_view
        return self.or_explain(request, lambda: view(request, object_id, extra_context))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """Name what is to be deleted; what goes with it, or stands in the way, is the service's to say."""
        return [str(row) for row in objs], {self.opts.verbose_name_plural: len(objs)}, set(), []

    def or_explain(self, request: HttpRequest, view: Callable[[], HttpResponse]) -> HttpResponse:
        """Run a view in a transaction; when a service refuses, undo it and come back with the reason."""
        try:
            with transaction.atomic():
                return view()
        except ValidationError as problem:
            for message in problem.messages:
                self.message_user(request, message, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())

    # -- history: the audit record, not Django's log of field names

    def log_addition(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Leave it to the service, which writes the audit record."""

    def log_change(self, request: HttpRequest, obj: Any, message: Any) -> Any:
        """Leave it to the service, which writes the audit record."""

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        """Leave it to the service, which writes the audit record."""

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Show the audit events about the row; a record has no history of its own."""
        if not self.target_type:
            raise Http404
        row = self.get_object(request, unquote(object_id))
        if row is None:
            missing: HttpResponse = self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined]  # the stubs leave it out
            return missing
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        events = reverse(f"{self.admin_site.name}:audit_auditevent_changelist")
        return HttpResponseRedirect(
            f"{events}?{urlencode({'target_type': self.target_type, 'target_id': row.pk})}"
        )


class ReadOnlyAdmin(OrgScopedAdmin):
    """A ledger: to be read, newest first, never counted."""

    sortable_by = ()
    actions = None

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the class of the list page."""
        return LedgerChangeList

    def form_organization(self, request: HttpRequest, row: Any = None) -> Any:
        """Return None: nothing is saved here."""
        return None
