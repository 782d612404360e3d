"""The leak walk: every page of every registered ModelAdmin, as somebody who may not see what it is about.

It's made from the site's registry. What it finds is collected as sentences that begin with the kind of page.
"""

import re
from collections.abc import Iterator
from typing import Any

from django.contrib.admin import AdminSite, SimpleListFilter
from django.contrib.admin.utils import quote
from django.contrib.contenttypes.models import ContentType
from django.db import transaction
from django.db.models import Model
from django.forms import ModelChoiceField, ModelMultipleChoiceField
from django.test import Client
from django.urls import reverse

from tenants.models import Organization
from tests.admin.world import WORD, Subject, World
from tests.unchanged import nothing_changes

# What a confirmation or another page of ours may want, so that a page which isn't fenced would go through.
CONFIRM = {
    "post": "yes",
    "confirmed": "yes",
    "password": "correct horse battery staple",
    "again": "correct horse battery staple",
    "secret": "sk-forged-0123456789",
}
SAFE_LOOKUPS = ("exact", "id__exact", "name__icontains", "slug__icontains", "email__icontains", "isnull")


class Walk:
    """One person's walk through one site."""

    def __init__(self, client: Client, site: AdminSite, world: World) -> None:
        self.client, self.site, self.world = client, site, world
        self.leaks: list[str] = []

    def run(self) -> list[str]:
        """Visit everything and return what leaked."""
        self._visit_site()
        for model, page in self.site._registry.items():
            subject = self.world.subjects.get(model)
            if subject is None:
                self.leaks.append(f"cover: {model._meta.label} has no row in tests.admin.world")
                continue
            self._visit_lists(model, page, subject)
            self._visit_object_pages(model, page, subject)
            self._visit_autocomplete(model)
            self._visit_add_form(model, subject)
            self._post_actions(model, page, subject)
            self._post_forged_keys(model, subject)
        return self.leaks

    # -- what is visited

    def _visit_site(self) -> None:
        self._get("site", reverse(f"{self.site.name}:index"))
        self._get("site", reverse(f"{self.site.name}:password_change"))
        for label in {model._meta.app_label for model in self.site._registry}:
            self._get("site", reverse(f"{self.site.name}:app_list", args=[label]))
        for term in (WORD, "organizations"):
            self._get("site", reverse("admin:search"), s=term, extended="1")

    def _visit_lists(self, model: type[Model], page: Any, subject: Subject) -> None:
        url = self._url(model, "changelist")
        self._get("list", url)
        for query in ({"all": ""}, {"o": "1"}, {"o": "-2.1"}, {"_popup": "1"}, {"p": "1"}, {"e": "1"}):
            self._get("list", url, **query)
        for position in ("before", "after"):
            self._get("list", url, **{position: subject.foreign.pk})
        self._get("search", url, q=WORD)
        if page.date_hierarchy:
            for year in (2025, 2026, 2027):
                self._get("date", url, **{f"{page.date_hierarchy}__year": year})
        for name, value in self._typed_filters(model, page, subject):
            self._get("filter", url, **{name: value})

    def _typed_filters(self, model: type[Model], page: Any, subject: Subject) -> Iterator[tuple[str, Any]]:
        """Yield what somebody might type behind the question mark to learn about foreign rows."""
        for listed in page.list_filter:
            if isinstance(listed, type) and issubclass(listed, SimpleListFilter):
                for value in (self._foreign_id(Organization), subject.foreign.pk, WORD):
                    yield str(listed.parameter_name), value
        for each in model._meta.get_fields():
            if each.is_relation and not each.auto_created:
                for lookup in SAFE_LOOKUPS:
                    target = self._foreign_id(each.related_model)
                    yield f"{each.name}__{lookup}", WORD if "icontains" in lookup else target
            elif not each.is_relation:
                yield f"{each.name}__icontains", WORD
        yield "organization_id", self._foreign_id(Organization)

    def _visit_object_pages(self, model: type[Model], page: Any, subject: Subject) -> None:
        """Ask for each page of a foreign row, and post to it: the answer is the same as for no row at all."""
        pk = subject.foreign.pk
        missing = "0" * 32 if isinstance(pk, str) else pk + 100_000
        patterns = [each for each in page.get_urls() if each.name and "object_id" in each.pattern.converters]
        urls = [self._url(model, each.name, "OBJECT").replace("OBJECT", "{}") for each in patterns]
        urls.append(f"{self._url(model, 'changelist')}{{}}/")
        for url in urls:
            kind = url.rstrip("/").rpartition("/")[2].replace("{}", "redirect")
            foreign, absent = (self._get(kind, url.format(quote(key))) for key in (pk, missing))
            if gist(foreign, pk) != gist(absent, missing):
                self.leaks.append(f"{kind}: {url} tells a foreign row from a missing one")
            self._post(kind, url.format(quote(pk)), {**subject.change, **CONFIRM})
        content_type = ContentType.objects.get_for_model(model)
        self._get("shortcut", reverse(f"{self.site.name}:view_on_site", args=[content_type.pk, pk]))

    def _visit_autocomplete(self, model: type[Model]) -> None:
        for each in model._meta.get_fields():
            if each.is_relation and not each.auto_created:
                names = {"app_label": model._meta.app_label, "model_name": model._meta.model_name}
                url = reverse(f"{self.site.name}:autocomplete")
                self._get("autocomplete", url, **names, field_name=each.name, term=WORD)
                self._get("autocomplete", url, **names, field_name=each.name, term="")

    def _visit_add_form(self, model: type[Model], subject: Subject) -> None:
        url = self._url(model, "add")
        self._get("add", url)
        self._get("add", url, organization=self._foreign_id(Organization))
        for each in model._meta.get_fields():
            if each.is_relation and not each.auto_created:
                self._get("add", url, **{each.name: self._foreign_id(each.related_model)})
        self._get("own", self._url(model, "change", subject.own.pk))

    def _post_actions(self, model: type[Model], page: Any, subject: Subject) -> None:
        url = self._url(model, "changelist")
        names = {"delete_selected", *(getattr(each, "__name__", each) for each in page.actions or ())}
        for name in sorted(map(str, names)):
            data = {"action": name, "_selected_action": [subject.foreign.pk], "select_across": "0"}
            self._post("action", url, {**data, "index": "0"})
            self._post("action", url, {**data, **CONFIRM, "index": "0"})
            self._post("action", url, {**data, **CONFIRM})

    def _post_forged_keys(self, model: type[Model], subject: Subject) -> None:
        """Add and change an own row with a key of globex's in each field that names a row."""
        forms = (
            ("forged add", self._url(model, "add"), subject.add),
            ("forged change", self._url(model, "change", subject.own.pk), subject.change),
        )
        for kind, url, data in forms:
            fields = self._choice_fields(url) if data else {}
            for name, field in fields.items():
                assert field.queryset is not None
                forged = self._foreign_id(field.queryset.model)
                value = [forged] if isinstance(field, ModelMultipleChoiceField) else forged
                self._post(kind, url, {**data, name: value})
            if data and kind == "forged add":
                self._post(kind, url, {**data, "organization": self._foreign_id(Organization)})

    # -- how

    def _choice_fields(self, url: str) -> dict[str, ModelChoiceField]:  # type: ignore[type-arg]
        context = self.client.get(url).context
        form = context["adminform"].form if context and "adminform" in context else None
        fields = form.fields if form else {}
        return {name: field for name, field in fields.items() if isinstance(field, ModelChoiceField)}

    def _get(self, kind: str, url: str, **query: Any) -> Any:
        response = self.client.get(url, query, follow=True)
        self._check(kind, f"GET {url} {query or ''}", response)
        return response

    def _post(self, kind: str, url: str, data: dict[str, Any]) -> None:
        """Post, look at the answer, see that nothing changed, and undo it in case something did."""
        undo = transaction.savepoint()
        try:
            with nothing_changes():
                response = self.client.post(url, data, follow=True)
        except AssertionError:
            self.leaks.append(f"{kind}: POST {url} changed something")
        else:
            self._check(kind, f"POST {url}", response)
        transaction.savepoint_rollback(undo)

    def _check(self, kind: str, what: str, response: Any) -> None:
        text = text_of(response).lower()
        where = " ".join(url for url, _ in response.redirect_chain).lower()
        if found := [mark for mark in self.world.marks if mark in text or mark in where]:
            self.leaks.append(f"{kind}: {what} shows {found}")

    def _url(self, model: type[Model], name: str, *args: Any) -> str:
        prefix = f"{model._meta.app_label}_{model._meta.model_name}_"
        full = name if name.startswith(prefix) else prefix + name
        return reverse(f"{self.site.name}:{full}", args=[quote(arg) for arg in args])

    def _foreign_id(self, model: Any) -> Any:
        subject = self.world.subjects.get(model)
        return subject.foreign.pk if subject else 1


def text_of(response: Any) -> str:
    """Return a page without its random token against forgery, which may contain anything."""
    return re.sub(r'csrfmiddlewaretoken" value="\w+"', "", response.content.decode())


def gist(response: Any, pk: Any) -> tuple[Any, ...]:
    """Return what an answer says, without the key that was asked for and what differs each time."""
    text = text_of(response).replace(f"“{pk}”", "“ID”")  # as Django quotes it in a message
    chain = [url.replace(f"/{quote(pk)}/", "/ID/") for url, _ in response.redirect_chain]
    return response.status_code, chain, text
