"""What has happened to one request so far: filled in along the data path, read by accounting at the end."""

from time import perf_counter

from gateway.types import Caller, Request, Step, Usage


class Attempt:
    """One call to a provider. Times are perf_counter seconds."""

    __slots__ = ("ended", "error_class", "started", "status", "step")

    def __init__(self, step: Step) -> None:
        self.step = step
        self.started = perf_counter()
        self.ended: float | None = None
        self.status: int | None = None
        self.error_class = ""


class Exchange:
    """A request being served. `arrived`, `first_token`: perf_counter seconds; `started_at`: wall time."""

    __slots__ = (
        "arrived",
        "attempts",
        "caller",
        "endpoint",
        "error_class",
        "first_token",
        "id",
        "model",
        "outcome",
        "output_bytes",
        "overhead",
        "request",
        "started_at",
        "status",
        "upstream_seconds",
        "usage",
    )

    def __init__(self, *, id: str, endpoint: str, caller: Caller, arrived: float, started_at: float) -> None:
        self.id = id
        self.endpoint = endpoint
        self.caller = caller
        self.arrived = arrived
        self.started_at = started_at
        self.request: Request | None = None
        self.attempts: list[Attempt] = []
        self.status: int | None = None  # what the caller was told; None until headers are sent
        self.outcome = "ok"
        self.error_class = ""
        self.model = ""  # as the provider names what ran
        self.usage: Usage | None = None
        self.output_bytes = 0  # of text, reasoning and tool arguments that a stream brought
        self.first_token: float | None = None
        self.overhead = 0.0  # seconds of our own before the answer began
        self.upstream_seconds = 0.0  # seconds spent waiting for providers

    @property
    def step(self) -> Step | None:
        """The step that was tried last."""
        return self.attempts[-1].step if self.attempts else None

    def end_attempt(self) -> None:
        """Note that the last attempt is over now; what it took since its answer began is the provider's."""
        attempt, now = self.attempts[-1], perf_counter()
        self.upstream_seconds += now - (attempt.ended or attempt.started)
        attempt.ended = now

    def measure_overhead(self) -> float:
        """Fix and return the seconds that the gateway itself has taken up to now."""
        self.overhead = max(0.0, perf_counter() - self.arrived - self.upstream_seconds)
        return self.overhead
