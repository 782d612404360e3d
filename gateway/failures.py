"""What to do after a failed attempt. Pure: a table look-up, and the answer when all targets are spent."""

from collections.abc import Sequence
from dataclasses import replace
from enum import Enum

from gateway.errors import FAILURES, Failure, FailureClass


class Verdict(Enum):
    """What the attempt loop does next."""

    NEXT = "next"
    STOP = "stop"


def judge(failure: Failure) -> Verdict:
    """Return whether the next target may be tried after this failure."""
    return Verdict.NEXT if FAILURES[failure.kind].falls_back else Verdict.STOP


def choose_answer(failures: Sequence[Failure]) -> Failure:
    """Return the failure that the caller is told when every target has failed: the last one.

    When all were rate limits, it carries the shortest wait, since any of the targets will do.
    """
    last = failures[-1]
    if len(failures) == 1 or any(failure.kind is not FailureClass.RATE_LIMIT for failure in failures):
        return last
    waits = [failure.retry_after for failure in failures if failure.retry_after is not None]
    return replace(last, retry_after=min(waits, default=None))
