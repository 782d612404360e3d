"""Pages beside Django's own: a question about one row, answered by a service."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from django import forms
from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.enums import ActionVariant

from axiom.lib.admin.access import access_of
from axiom.lib.admin.forms import add_service_errors, refusals_as_validation_errors

ViewT = TypeVar("ViewT", bound=Callable[..., HttpResponse])


def button(*, label: str, icon: str, verb: str, danger: bool = False) -> Callable[[ViewT], ViewT]:
    """Make a method the page behind a button of the change form, shown to people who may `verb` the row.

    The method gets the request and the row's id as in the URL.
    """

    def mark(view: ViewT) -> ViewT:
        marks = {
            "short_description": label,
            "icon": icon,
            "verb": verb,
            "variant": ActionVariant.DANGER if danger else ActionVariant.DEFAULT,
            "attrs": {},
        }
        for name, value in marks.items():
            setattr(view, name, value)
        return view

    return mark


@dataclass(frozen=True, slots=True)
class Question:
    """What a page asks before a service runs, and what it says afterwards."""

    verb: str
    title: str
    submit: str
    done: str
    form_class: type[forms.Form] = forms.Form
    note: str = ""
    danger: bool = False


def ask(
    admin: Any, request: HttpRequest, object_id: str, question: Question, answer: Callable[..., object]
) -> HttpResponse:
    """Show the question; when it's posted, call `answer(actor, row, data)` and go back to the row.

    What the service refuses is shown on the page. A row that the person can't see doesn't exist.
    """
    row = admin.get_object(request, unquote(object_id))
    if row is None:
        missing: HttpResponse = admin._get_obj_does_not_exist_redirect(request, admin.opts, object_id)
        return missing
    if not admin.allowed(request, question.verb, row):
        raise PermissionDenied
    form = question.form_class(request.POST if request.method == "POST" else None)
    if form.is_valid() and _succeeds(form, lambda: answer(access_of(request).actor, row, form.cleaned_data)):
        admin.message_user(request, question.done.format(row=row), messages.SUCCESS)
        name = f"{admin.admin_site.name}:{admin.opts.app_label}_{admin.opts.model_name}_change"
        return HttpResponseRedirect(reverse(name, args=[row.pk]))
    context = {
        **admin.admin_site.each_context(request),
        "title": question.title.format(row=row),
        "opts": admin.opts,
        "original": row,
        "question": question,
        "form": form,
    }
    return TemplateResponse(request, "admin/question.html", context)


def ask_for_all(
    admin: Any, request: HttpRequest, rows: Any, question: Question, answer: Callable[..., object]
) -> HttpResponse | None:
    """Show the question for the selected rows of a list; once confirmed, answer for each and return None.

    What the service refuses is raised, which undoes them all (OrgScopedAdmin.changelist_view shows it).
    """
    if not rows:
        admin.message_user(request, "Nothing was selected.", messages.WARNING)
        return None
    if "confirmed" in request.POST:
        with refusals_as_validation_errors():
            for row in rows:
                answer(access_of(request).actor, row, {})
        admin.message_user(request, question.done.format(row=f"{len(rows)} selected"), messages.SUCCESS)
        return None
    context = {
        **admin.admin_site.each_context(request),
        "title": question.title.format(row=f"{len(rows)} selected"),
        "opts": admin.opts,
        "question": question,
        "rows": rows,
        "action": request.POST["action"],
        "checkbox_name": ACTION_CHECKBOX_NAME,
    }
    return TemplateResponse(request, "admin/question.html", context)


def _succeeds(form: forms.Form, run: Callable[[], object]) -> bool:
    try:
        with refusals_as_validation_errors():
            run()
    except ValidationError as problem:
        add_service_errors(form, problem)
        return False
    return True
