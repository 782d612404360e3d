"""What a worker process holds for as long as it lives: snapshot, upstream client, journal and shipper."""

import asyncio
import gc

from django.conf import settings
from prometheus_client import Gauge

from axiom.lib.egress import EgressPolicy
from gateway import metrics
from gateway.attempts import Dispatcher
from gateway.bodies import Limits
from gateway.discovery import ModelLists
from gateway.journal import Journal
from gateway.shipping import Shipper
from gateway.snapshot import SnapshotStore
from gateway.spool import worker_directory
from gateway.types import Timeouts
from gateway.upstream import Upstream, make_upstream


class Runtime:
    """One per process. `start` and `stop` belong to the server's lifespan."""

    def __init__(self) -> None:
        self.store = SnapshotStore()
        self.timeouts = Timeouts(
            connect=settings.AXIOM_TIMEOUT_CONNECT,
            first_byte=settings.AXIOM_TIMEOUT_FIRST_BYTE,
            idle=settings.AXIOM_TIMEOUT_IDLE,
            total=settings.AXIOM_TIMEOUT_TOTAL,
        )
        self.limits = Limits(
            body=settings.AXIOM_MAX_BODY_BYTES,
            upload=settings.AXIOM_MAX_UPLOAD_BYTES,
            directory=settings.AXIOM_VAR / "uploads",
        )
        self.active: Gauge = metrics.ACTIVE
        self.upstream: Upstream
        self.dispatcher: Dispatcher
        self.models: ModelLists
        self.journal: Journal
        self.shipper: Shipper
        self.ready = False

    async def start(self) -> None:
        """Load the snapshot, open the journal, start the background threads."""
        root = settings.AXIOM_VAR / "journal"
        self.upstream = make_upstream(EgressPolicy.from_settings())
        self.dispatcher = Dispatcher(self.upstream, self.timeouts)
        self.models = ModelLists(self.dispatcher)
        self.journal = Journal.open(worker_directory(root))
        self.shipper = Shipper(root, self.journal)
        await asyncio.to_thread(self.store.start)
        self.shipper.start()
        # A collection that walks all of Django stalls every request for some 70 ms; what exists now stays.
        gc.collect()
        gc.freeze()
        self.ready = True

    async def stop(self) -> None:
        """Flush what can be flushed; what cannot stays in the journal for the next start."""
        self.ready = False
        await self.upstream.close()
        await asyncio.to_thread(self.store.stop)
        await asyncio.to_thread(self.shipper.stop, 10.0)
        self.journal.close()


_current: Runtime | None = None
_starting: asyncio.Lock | None = None


async def current() -> Runtime:
    """Return this process's runtime; start it first where the server has no lifespan (daphne, tests)."""
    global _starting
    if _current is not None:
        return _current
    if _starting is None:
        _starting = asyncio.Lock()
    async with _starting:
        return _current or await start()


async def start() -> Runtime:
    """Make and start this process's runtime."""
    global _current
    runtime = Runtime()
    await runtime.start()
    _current = runtime
    return runtime


async def stop() -> None:
    """Stop this process's runtime, if it was started."""
    global _current, _starting
    runtime, _current, _starting = _current, None, None
    if runtime is not None:
        await runtime.stop()
