"""The usage ledger's way in: rows are stored once, however often they are brought.

Rows are sequences in the order of RECORD_COLUMNS and ATTEMPT_COLUMNS, with times in seconds since the epoch
and money as decimal text. A row that comes again is known by its id and ignored. Without the ORM, whose
bulk_create costs more than all the rest of a request: COPY on PostgreSQL, a repeated INSERT on SQLite.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any

from django.db import connection, models, transaction
from django.db.backends.utils import CursorWrapper

from axiom.lib.clock import from_unix
from finops.models import UsageAttempt, UsageRecord

Row = Sequence[object]
Column = Sequence[Any]
Fit = Callable[[Column], Column]  # makes all values of a column acceptable to the database


def _columns(model: type[models.Model]) -> tuple[str, ...]:
    return tuple(str(field.column) for field in model._meta.concrete_fields)


RECORD_COLUMNS = _columns(UsageRecord)
ATTEMPT_COLUMNS = _columns(UsageAttempt)


def connect() -> None:
    """Connect this thread, unless it is connected, so that a commit survives a power cut.

    The rows' other copy goes away after the commit. Raises DatabaseError.
    """
    if connection.connection is not None:
        return
    connection.ensure_connection()
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA synchronous=FULL")


def append(records: Iterable[Row], attempts: Iterable[Row]) -> None:
    """Store the rows that aren't there yet, all or none of them.

    Text too long for its column is cut; a number or an amount out of its column's range becomes unknown.
    Raises DataError or IntegrityError for rows that the database refuses, DatabaseError when it is away.
    """
    put = _copy if connection.vendor == "postgresql" else _insert
    with transaction.atomic(), connection.cursor() as cursor:
        put(cursor, _table(UsageRecord), records)
        put(cursor, _table(UsageAttempt), attempts)


@dataclass(frozen=True, slots=True)
class _Table:
    """The statements for a model, and what makes each column's values fit."""

    fits: tuple[Fit, ...]
    insert: str
    stage: str
    copy: str
    merge: str

    def fitted(self, rows: Iterable[Row]) -> list[Sequence[Any]]:
        """Return the rows as the database takes them, column by column: most have nothing to be done."""
        columns = zip(*rows, strict=True)
        # No rows have no columns, hence not strict.
        return list(zip(*(fit(column) for fit, column in zip(self.fits, columns, strict=False)), strict=True))


def _insert(cursor: CursorWrapper, table: _Table, rows: Iterable[Row]) -> None:
    cursor.executemany(table.insert, table.fitted(rows))


def _copy(cursor: CursorWrapper, table: _Table, rows: Iterable[Row]) -> None:
    cursor.execute(table.stage)
    with connection.wrap_database_errors, cursor.copy(table.copy) as copy:
        for row in table.fitted(rows):
            copy.write_row(row)
    cursor.execute(table.merge)


@cache
def _table(model: type[models.Model]) -> _Table:
    quote = connection.ops.quote_name
    fields = model._meta.concrete_fields
    name = quote(model._meta.db_table)
    staging = quote(f"incoming_{model._meta.db_table}")
    columns = ", ".join(quote(name) for name in _columns(model))
    values = ", ".join(["%s"] * len(fields))
    # Every name in these statements is a model's.
    return _Table(
        fits=tuple(_fit(field) for field in fields),
        insert=f"INSERT INTO {name} ({columns}) VALUES ({values}) ON CONFLICT (id) DO NOTHING",  # noqa: S608 names
        stage=f"CREATE TEMPORARY TABLE IF NOT EXISTS {staging} (LIKE {name}) ON COMMIT DELETE ROWS",
        copy=f"COPY {staging} ({columns}) FROM STDIN",
        merge=f"INSERT INTO {name} ({columns}) SELECT {columns} FROM {staging} ON CONFLICT (id) DO NOTHING",  # noqa: S608 names
    )


def _fit(field: "models.Field[Any, Any]") -> Fit:
    if isinstance(field, models.CharField):
        return _text(field.max_length)
    if isinstance(field, models.DecimalField):
        return _amounts(field.max_digits, field.decimal_places)
    if isinstance(field, models.DateTimeField):
        return _times
    if isinstance(field, models.IntegerField):
        low, high = connection.ops.integer_field_range(field.get_internal_type())
        return _numbers(low or 0, high or 0, nullable=field.null)
    return lambda column: column


def _text(limit: int | None) -> Fit:
    longest = limit or 0

    def cut(column: Column) -> Column:
        if max(map(len, column)) <= longest and "\0" not in "".join(column):
            return column
        return [text.replace("\0", "")[:longest] for text in column]  # PostgreSQL has no NUL

    return cut


def _numbers(low: int, high: int, *, nullable: bool) -> Fit:
    def bound(number: int | None) -> int | None:
        if number is None or low <= number <= high:
            return number
        return None if nullable else min(max(number, low), high)

    def bounded(column: Column) -> Column:
        known = [number for number in column if number is not None]
        if not known or (low <= min(known) and max(known) <= high):
            return column
        return [bound(number) for number in column]

    return bounded


def _amounts(digits: int, places: int) -> Fit:
    unit = Decimal(1).scaleb(-places)
    bound = Decimal(1).scaleb(digits - places)

    def exact(text: str | None) -> str | None:
        if text is None:
            return None
        try:
            amount = Decimal(text).quantize(unit)
        except InvalidOperation:
            return None
        return f"{amount:f}" if amount.is_finite() and abs(amount) < bound else None

    return lambda column: [exact(text) for text in column]


def _times(column: Column) -> Column:
    adapt = connection.ops.adapt_datetimefield_value
    return [adapt(from_unix(seconds)) for seconds in column]
