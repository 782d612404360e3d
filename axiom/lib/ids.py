"""Identifiers: sortable by time, unique without asking anybody."""

import os
import time


def new_id() -> str:
    """Return 32 hex digits: 48 bits of milliseconds since the epoch, then 80 random bits.

    Ids made later sort later (to the millisecond), so a primary key of them stays append-mostly.
    """
    return f"{int(time.time() * 1000):012x}{os.urandom(10).hex()}"
