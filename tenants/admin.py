"""Organizations, teams, members, tokens and users in the admin. Services do the changing."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from axiom.lib.admin.access import access_of
from axiom.lib.admin.base import OrgScopedAdmin
from axiom.lib.admin.lists import OrganizationFilter
from axiom.lib.admin.pages import Question, ask, button
from tenants.forms import MembershipForm, NewMembershipForm, PasswordForm
from tenants.models import Membership, Organization, Role, Team, User
from tenants.services import (
    membership_create,
    membership_delete,
    membership_update,
    organization_create,
    organization_update,
    team_create,
    team_delete,
    team_update,
    user_create,
    user_set_password,
    user_update,
)
from tenants.token_admin import AccessTokenAdmin

__all__ = ["AccessTokenAdmin"]

admin.site.unregister(Group)  # roles decide, not groups

SET_PASSWORD = Question(
    verb="set_password",
    title="Set a password for {row}",
    submit="Set password",
    done="The password is set. Their open sessions have ended.",
    form_class=PasswordForm,
)


@admin.register(Organization)
class OrganizationAdmin(OrgScopedAdmin):
    """Tenants. People see their own; operators add and switch off."""

    permissions: ClassVar[dict[str, str]] = {
        "view": "organization.view",
        "add": "organization.create",
        "change": "organization.update",
    }
    target_type = "organization"
    asks_organization = False
    list_display = ("name", "slug", "is_active", "created_at")
    search_fields = ("name", "slug")
    fields = ("name", "slug", "is_active")

    def organization_id_of(self, row: Organization) -> int:
        """Return the organization itself."""
        return row.pk

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Keep the slug after creation; only operators switch an organization off."""
        fixed = ["is_active"] if not access_of(request).may_somewhere("organization.activate") else []
        return [*super().get_readonly_fields(request, obj), *fixed, *(["slug"] if obj else [])]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Leave out of a new one what it starts with."""
        return super().get_fieldsets(request, obj) if obj else [(None, {"fields": ["name", "slug"]})]

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Suggest the slug of a new one."""
        return {} if obj else {"slug": ("name",)}

    def form_organization(self, request: HttpRequest, row: Any = None) -> Any:
        """Return the organization itself."""
        return row

    def create_row(self, actor: Any, form: Any) -> Organization:
        """Create."""
        data = form.cleaned_data
        return organization_create(actor=actor, slug=data["slug"], name=data["name"])

    def update_row(self, actor: Any, row: Any, form: Any) -> None:
        """Change."""
        organization_update(actor=actor, organization=row, **form.cleaned_data)


@admin.register(Team)
class TeamAdmin(OrgScopedAdmin):
    """Teams."""

    permissions: ClassVar[dict[str, str]] = {
        "view": "team.view",
        "add": "team.create",
        "change": "team.update",
        "delete": "team.delete",
    }
    target_type = "team"
    list_display = ("name", "slug", "created_at")
    list_filter = (OrganizationFilter,)
    list_select_related = ("organization",)
    search_fields = ("name", "slug")
    fields = ("name", "slug")

    def get_prepopulated_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Suggest the slug of a new one."""
        return {} if obj else {"slug": ("name",)}

    def create_row(self, actor: Any, form: Any) -> Team:
        """Create."""
        return team_create(actor=actor, organization=form.organization, **form.cleaned_data)

    def update_row(self, actor: Any, row: Any, form: Any) -> None:
        """Change."""
        team_update(actor=actor, team=row, **form.cleaned_data)

    def delete_row(self, actor: Any, row: Any) -> None:
        """Delete."""
        team_delete(actor=actor, team=row)


@admin.register(Membership)
class MembershipAdmin(OrgScopedAdmin):
    """Who is in an organization, and in which role."""

    permissions: ClassVar[dict[str, str]] = {
        "view": "membership.view",
        "add": "membership.create",
        "change": "membership.update",
        "delete": "membership.delete",
        "set_password": "user.set_password",
    }
    target_type = "membership"
    list_display = ("person", "full_name", "role", "team_names", "can_log_in")
    list_filter = (OrganizationFilter, "role")
    list_select_related = ("organization", "user")
    search_fields = ("user__email", "user__name")
    search_help_text = "E-mail address or name"
    form = MembershipForm
    add_fieldsets = ((None, {"fields": ["email", "name", "role", "teams"]}),)
    fieldsets = ((None, {"fields": ["person", "full_name", "role", "teams"]}),)
    view_fieldsets = ((None, {"fields": ["person", "full_name", "role", "team_names"]}),)
    readonly_fields = ("person", "full_name", "team_names")
    actions_detail = ("set_password",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Fetch the teams with their members."""
        return super().get_queryset(request).prefetch_related("teams")

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:  # noqa: FBT001, FBT002  (Django's signature)
        """Ask for the e-mail address of a new member."""
        chosen = {} if obj else {"form": NewMembershipForm}
        return super().get_form(request, obj, change=change, **{**kwargs, **chosen})

    def allowed(self, request: HttpRequest, verb: str, row: Any = None) -> bool:
        """Leave owners to owners, and operators' passwords to operators."""
        if not super().allowed(request, verb, row):
            return False
        if row is None or verb == "view":
            return True
        if verb == "set_password" and row.user.is_superuser:
            return access_of(request).may(None, "user.update")
        return row.role != Role.OWNER or access_of(request).may(
            row.organization_id, "membership.manage_owner"
        )

    @admin.display(description="e-mail address", ordering="user__email")
    def person(self, row: Membership) -> str:
        """Whom it is about."""
        return row.user.email

    @admin.display(description="name", ordering="user__name")
    def full_name(self, row: Membership) -> str:
        """The person's name."""
        return row.user.name

    @admin.display(description="teams")
    def team_names(self, row: Membership) -> str:
        """The teams they are in."""
        return ", ".join(team.name for team in row.teams.all())

    @admin.display(description="can log in", boolean=True)
    def can_log_in(self, row: Membership) -> bool:
        """Whether a password was set and the person is active."""
        return row.user.is_active and row.user.has_usable_password()

    def create_row(self, actor: Any, form: Any) -> Membership:
        """Add."""
        return membership_create(actor=actor, organization=form.organization, **form.cleaned_data)

    def update_row(self, actor: Any, row: Any, form: Any) -> None:
        """Change."""
        membership_update(actor=actor, membership=row, **form.cleaned_data)

    def delete_row(self, actor: Any, row: Any) -> None:
        """Remove."""
        membership_delete(actor=actor, membership=row)

    def response_add(
        self, request: HttpRequest, obj: Any, post_url_continue: str | None = None
    ) -> HttpResponse:
        """Go on to the member's page, where a password can be set."""
        self.message_user(request, f"{obj.user} is a member now.", messages.SUCCESS)
        return HttpResponseRedirect(reverse("admin:tenants_membership_change", args=[obj.pk]))

    @button(label="Set password", icon="key", verb="set_password")
    def set_password(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a new password."""
        return ask(self, request, object_id, SET_PASSWORD, _set_members_password)


@admin.register(User)
class UserAdmin(OrgScopedAdmin):
    """People across organizations, for operators."""

    permissions: ClassVar[dict[str, str]] = {
        "view": "user.update",
        "add": "user.create",
        "change": "user.update",
        "set_password": "user.set_password",
    }
    target_type = "user"
    asks_organization = False
    list_display = ("email", "name", "is_active", "operator", "last_login")
    list_filter = ("is_active", "is_superuser")
    search_fields = ("email", "name")
    add_fieldsets = ((None, {"fields": ["email", "name"]}),)
    fieldsets = ((None, {"fields": ["email", "name", "is_active", "operator", "memberships", "last_login"]}),)
    readonly_fields = ("operator", "memberships", "last_login")
    actions_detail = ("set_password",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return everybody to operators, nobody to others: people are not in one organization."""
        people = User.objects.all()
        return people if access_of(request).may_somewhere("user.update") else people.none()

    def organization_id_of(self, row: User) -> None:
        """Return None: only the platform has users."""

    def form_organization(self, request: HttpRequest, row: Any = None) -> Any:
        """Return None: only the platform has users."""

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Keep the e-mail address, which is how a person is known."""
        return [*super().get_readonly_fields(request, obj), *(["email"] if obj else [])]

    @admin.display(description="operator", boolean=True, ordering="is_superuser")
    def operator(self, row: User) -> bool:
        """Whether they may do everything, everywhere."""
        return row.is_superuser

    @admin.display(description="member of")
    def memberships(self, row: User) -> str:
        """The organizations they are in, with their role."""
        rows = row.memberships.select_related("organization")
        return ", ".join(f"{each.organization} ({each.get_role_display()})" for each in rows)

    def create_row(self, actor: Any, form: Any) -> User:
        """Create."""
        return user_create(actor=actor, **form.cleaned_data)

    def update_row(self, actor: Any, row: Any, form: Any) -> None:
        """Change."""
        user_update(actor=actor, user=row, **form.cleaned_data)

    @button(label="Set password", icon="key", verb="set_password")
    def set_password(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask for a new password."""
        return ask(self, request, object_id, SET_PASSWORD, _set_password)


def _set_password(actor: Any, row: User, data: dict[str, Any]) -> None:
    user_set_password(actor=actor, user=row, password=data["password"])


def _set_members_password(actor: Any, row: Membership, data: dict[str, Any]) -> None:
    _set_password(actor, row.user, data)
