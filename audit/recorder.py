"""Writes the audit record. Services call it inside the transaction of the change that it describes."""

from collections.abc import Mapping
from typing import Protocol

from django.db import transaction

from audit.actions import ACTIONS
from audit.changes import plain
from audit.models import AuditEvent
from axiom.lib import clock

LABEL_LENGTH = 254


class ActorLike(Protocol):
    """What the record needs to know about whoever did it: tenants.actors.Actor has it."""

    @property
    def kind(self) -> str:
        """One of AuditEvent.ActorType."""

    @property
    def user_id(self) -> int | None:
        """The person, where there is one."""

    @property
    def label(self) -> str:
        """How people know them: an e-mail address, a command's name."""

    @property
    def ip_address(self) -> str | None:
        """Where the request came from."""

    @property
    def request_id(self) -> str:
        """The request, as in the `x-request-id` header."""


def record(  # noqa: PLR0913  (an event has this many parts; all are named)
    *,
    actor: ActorLike,
    organization_id: int | None,
    action: str,
    target_type: str,
    target_id: object,
    target_label: str,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> AuditEvent:
    """Append one event; `before` and `after` hold only what changed, and never a secret.

    Raises ValueError for an action that audit.actions doesn't name, TransactionManagementError outside a
    transaction: a change and its record are written together or not at all.
    """
    if action not in ACTIONS:
        raise ValueError(f"{action!r} is not an action of audit.actions.")
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("An audit event is written in its change's transaction.")
    return AuditEvent.objects.create(
        organization_id=organization_id,
        actor_type=actor.kind,
        actor_id=actor.user_id,
        actor_label=actor.label[:LABEL_LENGTH],
        action=action,
        target_type=target_type,
        target_id=str(target_id),
        target_label=target_label[:LABEL_LENGTH],
        before={name: plain(value) for name, value in (before or {}).items()},
        after={name: plain(value) for name, value in (after or {}).items()},
        request_id=actor.request_id,
        ip_address=actor.ip_address,
        created_at=clock.now(),
    )
