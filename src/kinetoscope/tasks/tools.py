"""What the steps of a worker need, given to them whole."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from kinetoscope.catalog.spec import Catalog
from kinetoscope.kernel.clock import Clock
from kinetoscope.kernel.outbound import Egress
from kinetoscope.media.credentials import Credentials
from kinetoscope.media.signing import Signer
from kinetoscope.media.store import MediaStore
from kinetoscope.postgres.pool import Database
from kinetoscope.providers.breaker import Breakers
from kinetoscope.providers.contract import Providers
from kinetoscope.tasks.cancellations import Cancellations
from kinetoscope.tasks.lifetimes import Lifetimes
from kinetoscope.tasks.route import Routes
from kinetoscope.tasks.served import Served
from kinetoscope.tasks.wakes import Wakes


@dataclass(frozen=True, slots=True, kw_only=True)
class Tools:
    """The parts a task is moved forward with.

    `folder` is this worker's own scratch space. `task_deadline` bounds how long a task may stay
    open; `lifetimes` say how long its media and what is known of it are kept;
    `credentials` sign finished files, where there are any. What no provider answered is waited
    for until `unknown_deadline`. A task whose route leads to none of `queues` is moved on; None
    serves all, and `served` knows what others do. `callback_url` makes of a provider and a task
    the address where news may be told.
    """

    database: Database
    catalog: Catalog
    providers: Providers
    routes: Routes
    breakers: Breakers
    wakes: Wakes
    store: MediaStore
    signer: Signer
    egress: Egress
    clock: Clock
    folder: Path
    cancellations: Cancellations
    served: Served
    task_deadline: timedelta
    lifetimes: Lifetimes
    unknown_deadline: timedelta
    credentials: Credentials | None = None
    queues: frozenset[str] | None = None
    callback_url: Callable[[str, str], str] | None = None
