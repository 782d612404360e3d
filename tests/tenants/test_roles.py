from dataclasses import replace

import pytest
from django.core.exceptions import PermissionDenied

from audit.actions import ACTIONS
from tenants.actors import Actor, command_actor
from tenants.models import Role
from tenants.roles import PERMISSIONS, may, require, viewer_for

# The whole table, written out: owner, admin, member, billing, auditor.
TABLE = {
    "organization.view": "owner admin member billing auditor",
    "organization.create": "",
    "organization.update": "owner admin",
    "organization.activate": "",
    "team.view": "owner admin member billing auditor",
    "team.create": "owner admin",
    "team.update": "owner admin",
    "team.delete": "owner admin",
    "membership.view": "owner admin auditor",
    "membership.create": "owner admin",
    "membership.update": "owner admin",
    "membership.delete": "owner admin",
    "membership.manage_owner": "owner",
    "token.view": "owner admin auditor",
    "token.create": "owner admin",
    "token.update": "owner admin",
    "token.revoke": "owner admin",
    "token.view_own": "owner admin member auditor",
    "token.create_own": "owner admin member",
    "credential.view": "owner admin member auditor",
    "credential.create": "owner admin",
    "credential.update": "owner admin",
    "credential.enable": "owner admin",
    "credential.rotate": "owner admin",
    "credential.delete": "owner admin",
    "usage.view": "owner admin billing auditor",
    "audit.view": "owner admin auditor",
    "user.create": "",
    "user.update": "",
    "user.set_password": "owner admin",
}


def actor_with(role: Role, organization_id: int = 1) -> Actor:
    return Actor("user", 7, "somebody@acme.example", roles={organization_id: role})


def test_the_table_names_every_action() -> None:
    assert set(PERMISSIONS) == set(TABLE)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("action", TABLE)
def test_each_role_may_do_what_the_table_says_in_its_own_organization(action: str, role: Role) -> None:
    assert may(actor_with(role), 1, action) is (role.value in TABLE[action].split())


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("action", TABLE)
def test_no_role_reaches_into_another_organization_or_outside_of_all(action: str, role: Role) -> None:
    assert may(actor_with(role), 2, action) is False
    assert may(actor_with(role), None, action) is False


@pytest.mark.parametrize("action", TABLE)
def test_an_operator_may_do_everything_everywhere(action: str) -> None:
    operator = command_actor("apply")
    assert may(operator, 1, action) is True
    assert may(operator, None, action) is True


@pytest.mark.parametrize("action", TABLE)
def test_a_role_that_does_not_exist_may_do_nothing(action: str) -> None:
    assert may(replace(actor_with(Role.OWNER), roles={1: "emperor"}), 1, action) is False


def test_an_unknown_action_is_a_bug_even_for_an_operator() -> None:
    with pytest.raises(KeyError):
        may(command_actor("apply"), 1, "organization.paint")


def test_require_denies_with_the_name_of_the_permission() -> None:
    with pytest.raises(PermissionDenied, match=r"This needs the permission team\.create\."):
        require(actor_with(Role.MEMBER), 1, "team.create")


def test_require_lets_pass_who_may() -> None:
    allowed = actor_with(Role.ADMIN)
    require(allowed, 1, "team.create")
    assert may(allowed, 1, "team.create")


def test_a_viewer_keeps_only_the_organizations_where_the_action_is_allowed() -> None:
    actor = Actor("user", 7, "x", roles={1: Role.BILLING, 2: Role.MEMBER, 3: Role.OWNER})
    assert viewer_for(actor, "credential.view").organization_ids == {2, 3}
    assert viewer_for(actor, "usage.view").organization_ids == {1, 3}
    assert viewer_for(actor, "organization.create").organization_ids == frozenset()


def test_a_viewer_stays_an_operator() -> None:
    assert viewer_for(command_actor("apply"), "usage.view").is_operator is True


def test_every_permission_to_change_something_has_an_action_in_the_audit_record() -> None:
    covered_by_another = {"membership.manage_owner", "token.create_own"}
    changing = {name for name in PERMISSIONS if ".view" not in name}
    assert changing - covered_by_another <= set(ACTIONS)
