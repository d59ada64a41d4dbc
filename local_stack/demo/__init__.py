"""Tells the whole story of an order against a running pair, and proves each step of it.

Only the public HTTP APIs are used. Fresh names make it repeatable on the same databases.
"""

import time

import httpx
from rich.console import Console

from local_stack.demo import clocks, living, opening, ordering, suspending
from local_stack.demo.callers import Surprise
from local_stack.demo.cast import Cast
from local_stack.demo.stage import Stage

__all__ = ["Surprise", "run"]

ACTS = (
    opening.provider_opens,
    opening.reseller_connects,
    opening.clients_come,
    ordering.clients_order,
    ordering.each_sees_their_own,
    suspending.suspensions,
    living.power_and_name,
    living.renewal,
    living.ends_and_returns,
)


def run(
    urls: dict[str, str],
    logins: dict[str, tuple[str, str]],
    *,
    sandbox: bool,
    console: Console,
    platform: str = "simulated",
) -> None:
    """Tell it. `urls` and owners' `logins` (e-mail, password) by `selling` and `reselling`.

    Where the reseller reaches the provider at another address than we do, that is `urls["seller"]`.
    With `sandbox` the clocks are moved on, too; `platform` is `simulated` or `qemu`.
    Raises Surprise at the first thing that isn't so.
    """
    stage = Stage(console)
    began = time.monotonic()
    try:
        with Cast.gathered(stage, urls, logins, platform=platform) as cast:
            for act in ACTS:
                act(cast)
            if sandbox:
                clocks.time_goes_by(cast)
            living.money(cast)
            ordering.provider_hears_no_client(cast)
    except httpx.HTTPError as error:
        raise Surprise(f"no answer: {type(error).__name__} {error}") from error
    stage.end(seconds=time.monotonic() - began)
