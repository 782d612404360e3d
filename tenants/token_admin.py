"""Access tokens in the admin: made and shown once, then only named."""

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html
from unfold.decorators import display

from axiom.lib import clock
from axiom.lib.admin.access import access_of
from axiom.lib.admin.base import OrgScopedAdmin
from axiom.lib.admin.lists import OrganizationFilter, day, moment
from axiom.lib.admin.pages import Question, ask, ask_for_all, button
from tenants.forms import SCOPE_LABELS, AccessTokenForm
from tenants.models import AccessToken
from tenants.services import token_create, token_revoke, token_update
from tenants.tokens import PREFIX

BASE_PATH = "/rest/v1/llm-gateway/v1"
OWN: dict[str, str] = {"view": "token.view_own", "add": "token.create_own", "revoke": "token.create_own"}
STATUS_COLORS = {"Active": "success", "Expired": "warning", "Revoked": "danger"}
REVOKE = Question(
    verb="revoke",
    title="Revoke {row}?",
    submit="Revoke",
    done="{row} is revoked.",
    note="Applications that use this token get 401 at once. This can't be undone.",
    danger=True,
)


class StatusFilter(admin.SimpleListFilter):
    """Active, expired or revoked."""

    title = "status"
    parameter_name = "status"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the three."""
        return [("active", "Active"), ("expired", "Expired"), ("revoked", "Revoked")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Narrow the rows."""
        valid, ended = Q(revoked_at=None), Q(expires_at__lte=clock.now())
        wanted = {"active": valid & ~ended, "expired": valid & ended, "revoked": ~valid}.get(
            self.value() or ""
        )
        return queryset if wanted is None else queryset.filter(wanted)


@admin.register(AccessToken)
class AccessTokenAdmin(OrgScopedAdmin):
    """What applications call with. Members see and make their own."""

    permissions: ClassVar[dict[str, str]] = {
        "view": "token.view",
        "add": "token.create",
        "change": "token.update",
        "revoke": "token.revoke",
    }
    target_type = "token"
    list_display = ("name", "masked", "team", "user", "models", "status", "expires_on", "created_on")
    list_filter = (OrganizationFilter, StatusFilter)
    list_select_related = ("organization", "team", "user")
    search_fields = ("name", "key_id", "user__email")
    search_help_text = "Name, id or e-mail address"
    form = AccessTokenForm
    add_fieldsets = (
        (None, {"fields": ["name", "user", "team"]}),
        ("What it may do", {"fields": ["scopes", "allowed_models", "expires_at"]}),
    )
    fieldsets = (
        (None, {"fields": ["name", "masked", "status", "user", "team"]}),
        ("What it may do", {"fields": ["scopes", "allowed_models", "expires_at"]}),
    )
    view_fieldsets = (
        (None, {"fields": ["name", "masked", "status", "person", "team_name"]}),
        ("What it may do", {"fields": ["scope_names", "models", "expires"]}),
    )
    readonly_fields = ("masked", "status", "models", "scope_names", "person", "team_name", "expires")
    actions = ("revoke_selected",)
    actions_detail = ("revoke",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the organization's tokens, or a member's own."""
        access = access_of(request)
        rows = AccessToken.objects.visible_to(access.viewer(OWN["view"]))
        if access.may(None, "token.view"):
            return rows
        everyones = access.viewer(self.permissions["view"]).organization_ids
        return rows.filter(Q(organization__in=everyones) | Q(user=access.actor.user_id))

    def allowed(self, request: HttpRequest, verb: str, row: Any = None) -> bool:
        """Add what a person may do with their own tokens; a revoked one stays as it is."""
        if row is not None and row.revoked_at is not None and verb in {"change", "revoke"}:
            return False
        if super().allowed(request, verb, row):
            return True
        access, permission = access_of(request), OWN.get(verb)
        if permission is None:
            return False
        if row is None:
            return access.may_somewhere(permission)
        return row.user_id == access.actor.user_id and access.may(row.organization_id, permission)

    def offered_organizations(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the organizations in which the person may make a token, if only for themselves."""
        organizations: Any = AccessToken._meta.get_field("organization").related_model
        offered: QuerySet[Any] = organizations.objects.visible_to(access_of(request).viewer(OWN["add"]))
        return offered

    @admin.display(description="token", ordering="key_id")
    def masked(self, row: AccessToken) -> str:
        """What can be seen of the token."""
        return format_html("<code>{}{}_…</code>", PREFIX, row.key_id)

    @admin.display(description="user", empty_value="nobody: a service")
    def person(self, row: AccessToken) -> str | None:
        """Whose calls these are."""
        return row.user.email if row.user else None

    @admin.display(description="team")
    def team_name(self, row: AccessToken) -> str:
        """Whose credentials it may use."""
        return row.team.name if row.team else ""

    @admin.display(description="expires (UTC)", empty_value="never")
    def expires(self, row: AccessToken) -> str | None:
        """When it stops working."""
        return moment(row.expires_at) or None

    @admin.display(description="expires", ordering="expires_at", empty_value="never")
    def expires_on(self, row: AccessToken) -> str | None:
        """The day it stops working."""
        return day(row.expires_at) or None

    @admin.display(description="created", ordering="created_at")
    def created_on(self, row: AccessToken) -> str:
        """The day it was made."""
        return day(row.created_at)

    @admin.display(description="models")
    def models(self, row: AccessToken) -> str:
        """The models it may call."""
        return ", ".join(row.allowed_models)

    @admin.display(description="scopes")
    def scope_names(self, row: AccessToken) -> str:
        """What it may call."""
        return ", ".join(SCOPE_LABELS.get(scope, scope) for scope in row.scopes)

    @display(description="status", label=STATUS_COLORS)  # type: ignore[untyped-decorator]  # unfold's
    def status(self, row: AccessToken) -> str:
        """Whether it works."""
        if row.revoked_at is not None:
            return "Revoked"
        ended = row.expires_at is not None and row.expires_at <= clock.now()
        return "Expired" if ended else "Active"

    def create_row(self, actor: Any, form: Any) -> AccessToken:
        """Create; the text goes to the answer of this request and nowhere else."""
        token, plaintext = token_create(actor=actor, organization=form.organization, **form.cleaned_data)
        form.instance.plaintext = plaintext
        return token

    def update_row(self, actor: Any, row: Any, form: Any) -> None:
        """Change."""
        token_update(actor=actor, token=row, **form.cleaned_data)

    def add_view(self, request: HttpRequest, form_url: str = "", extra_context: Any = None) -> HttpResponse:
        """Show the form; what follows is the page with the token, so there is only one way to save."""
        return super().add_view(request, form_url, {"show_save_and_continue": False, **(extra_context or {})})

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Show the token, once, in the answer itself: not in a message, a session or an address."""
        context = {
            **self.admin_site.each_context(request),
            "title": f"Token {obj.name}",
            "opts": self.opts,
            "token": obj,
            "base_url": request.build_absolute_uri(BASE_PATH),
            "model": next((model for model in obj.allowed_models if "*" not in model), ""),
        }
        answer = TemplateResponse(request, "admin/token_created.html", context)
        answer["Cache-Control"] = "no-store"
        return answer

    @button(label="Revoke", icon="block", verb="revoke", danger=True)
    def revoke(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask, then revoke."""
        return ask(self, request, object_id, REVOKE, _revoke)

    @admin.action(description="Revoke selected tokens", permissions=["revoke"])
    def revoke_selected(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse | None:
        """Ask, then revoke each."""
        return ask_for_all(self, request, queryset, REVOKE, _revoke)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Answer from the roles."""
        return self.allowed(request, "revoke")


def _revoke(actor: Any, row: AccessToken, data: dict[str, Any]) -> None:
    token_revoke(actor=actor, token=row)
