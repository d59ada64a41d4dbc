"""What the provider decides about its VMmanager 6. Knows no VM and reads no environment."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class VMmanager6Settings:
    """Everything about one VMmanager 6.

    `email` and `password` are of an administrator; `authority` a PEM file of who signs the API's
    certificate, None for the machine's own list. `templates` are the numbers of operating systems
    by OS template, `cluster` is where VMs are made, `pools` are the numbers of the pools that give
    addresses. Clients' logins are made at `login_domain`, which gets no mail. Seconds:
    `answer_timeout` for one request, `task_timeout` for a task, `stop_grace` for a guest to power
    off by itself, `sleep_patience` for an API that answers 503.
    """

    url: str
    email: str
    password: str = field(repr=False)
    authority: Path | None = None
    templates: Mapping[str, int]
    cluster: int
    pools: tuple[int, ...] = ()
    login_domain: str
    answer_timeout: float = 30.0
    task_timeout: float = 1200.0
    stop_grace: float = 20.0
    sleep_patience: float = 10.0
