"""Logging that never carries a secret."""

import logging

from axiom.lib.redaction import redact


class RedactingFilter(logging.Filter):
    """Removes whatever looks like a secret from every record's message and traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact in place; always keeps the record."""
        record.msg = redact(record.getMessage())
        record.args = None
        if record.exc_info and not record.exc_text:
            record.exc_text = logging.Formatter().formatException(record.exc_info)
        if record.exc_text:
            record.exc_text = redact(record.exc_text)
        return True
