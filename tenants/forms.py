"""The admin's forms for teams, members, tokens and users. Services save them; here they only read input."""

from typing import Any, ClassVar

from django import forms
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminEmailInputWidget,
    UnfoldAdminPasswordWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from axiom.lib.admin.forms import LinesField, ServiceForm
from tenants.models import AccessToken, Membership, Role, Team, User
from tenants.tokens import DEFAULT_SCOPES, SCOPES

SCOPE_LABELS = {
    "chat.completions": "Chat completions",
    "embeddings": "Embeddings",
    "audio.speech": "Speech",
    "audio.transcriptions": "Transcriptions",
    "models": "List models",
}


class MembershipForm(ServiceForm):
    """A member's role and teams."""

    choices: ClassVar[dict[str, str]] = {"teams": "organization"}
    teams = forms.ModelMultipleChoiceField(
        Team.objects.none(), required=False, widget=UnfoldAdminCheckboxSelectMultipleWidget
    )

    class Meta:
        model = Membership
        fields = ("role", "teams")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "role" in self.fields and not self.access.may(self.organization.pk, "membership.manage_owner"):
            roles = [choice for choice in Role.choices if choice[0] != Role.OWNER]
            self.fields["role"].choices = roles  # type: ignore[attr-defined]  # a choice field


class NewMembershipForm(MembershipForm):
    """Adds a member by e-mail address."""

    email = forms.EmailField(
        label="E-mail address",
        widget=UnfoldAdminEmailInputWidget,
        help_text="Somebody new can log in after you set a password for them, on the page that follows.",
    )
    name = forms.CharField(
        required=False,
        max_length=150,
        widget=UnfoldAdminTextInputWidget,
        help_text="For somebody new. A person who already has an account keeps their name.",
    )


class AccessTokenForm(ServiceForm):
    """What a token may do."""

    choices: ClassVar[dict[str, str]] = {"team": "organization", "user": "memberships__organization"}
    team = forms.ModelChoiceField(
        Team.objects.none(),
        required=False,
        empty_label="No team",
        widget=UnfoldAdminSelectWidget,
        help_text="Lets it use the credentials kept for this team.",
    )
    user = forms.ModelChoiceField(
        User.objects.none(),
        required=False,
        empty_label="Nobody: a service",
        widget=UnfoldAdminSelectWidget,
        help_text="The person whose calls these are.",
    )
    scopes = forms.MultipleChoiceField(
        choices=[(scope, SCOPE_LABELS[scope]) for scope in SCOPES],
        initial=list(DEFAULT_SCOPES),
        widget=UnfoldAdminCheckboxSelectMultipleWidget,
        help_text="What it may call.",
    )
    allowed_models = LinesField(
        label="Models",
        initial="*",
        help_text="One per line. * stands for any text: gpt-4o*, or * for every model.",
    )

    class Meta:
        model = AccessToken
        fields = ("name", "team", "user", "scopes", "allowed_models", "expires_at")
        help_texts = {"expires_at": "Empty: never. In UTC."}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not self.access.may(self.organization.pk, "token.create"):
            self._confine_to_themselves(self.access.actor.user_id)

    def _confine_to_themselves(self, user_id: int) -> None:
        """Offer a member who makes a token only themselves and their own teams."""
        user: Any = self.fields["user"]
        user.queryset = user.queryset.filter(pk=user_id)
        user.required, user.empty_label, user.initial = True, None, user_id
        team: Any = self.fields["team"]
        team.queryset = team.queryset.filter(memberships__user=user_id)


class PasswordForm(forms.Form):
    """A new password, twice."""

    password = forms.CharField(
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
        help_text="At least 12 characters. Tell them in person, and ask them to change it.",
    )
    again = forms.CharField(
        label="The same again",
        strip=False,
        widget=UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"}),
    )

    def clean(self) -> dict[str, Any]:
        """Compare the two."""
        data: dict[str, Any] = super().clean() or {}
        if data.get("password") != data.get("again"):
            self.add_error("again", "The two passwords differ.")
        return data
