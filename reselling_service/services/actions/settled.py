"""Draws the consequences of a command's end for its service; the money has been moved before.

A wish that came to nothing is dropped: where no other of its group is under way, what was heard is
wanted from then on, so that nothing pretends to be on its way. Where nothing was heard yet, nothing
stands.
"""

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete

from reselling_service.commands.models import Command
from reselling_service.services import queries
from reselling_service.services.actions.renewing import note_problem, schedule, unschedule
from reselling_service.services.models import Service, WantedSuspension, heard_of
from reselling_service.services.rules import (
    ACTOR_OF,
    ACTOR_OF_GROUP,
    CAUSE_OF,
    GONE,
    Group,
    Life,
    group_of,
    own_actors,
    renewal_times,
)
from shared.contract.basics import CommandKind, PartnerActor
from shared.contract.problems import TERM_MOVED
from shared.kit.db import WriteSession

_SUCCEEDED = "succeeded"
_LOOK_AGAIN = timedelta(minutes=1)


async def follow(session: WriteSession, service: Service, command: Command) -> None:
    """What the end of this command means for its locked service; done twice, nothing changes."""
    group = group_of(command.kind, command.summary.get("actor"))
    if command.state != _SUCCEEDED and command.summary.get("again"):
        # Asked for once more, since the seller forgot it: what it was about exists and is paid for.
        return
    if command.state != _SUCCEEDED and command.summary.get("from"):
        await _renewal_failed(session, service, command)
    if group is Group.ORDER and command.state != _SUCCEEDED:
        await _order_failed(session, service, command)
    elif group is Group.NAME:
        _named(service, succeeded=command.state == _SUCCEEDED)
    elif group is not Group.ORDER and group is not Group.RENEWAL:
        await _drop_wishes(session, service, group)
    await session.flush()


def problem_code(command: Command) -> str:
    """The code of what ended a command, or the name of its end."""
    problem: dict[str, Any] = command.problem or {}
    return str(problem.get("code") or command.state)


async def _order_failed(session: WriteSession, service: Service, command: Command) -> None:
    service.wanted_life = Life.CANCELLED
    service.order_problem = problem_code(command)
    service.auto_renew = False
    await session.execute(delete(WantedSuspension).where(WantedSuspension.service_id == service.id))
    await unschedule(session, service)


async def _renewal_failed(session: WriteSession, service: Service, command: Command) -> None:
    asked_from = datetime.fromisoformat(command.summary["from"])
    if service.renewed_from != asked_from:
        return
    service.renewed_from = None
    code = problem_code(command)
    if command.kind != CommandKind.RENEW:
        return
    if code == TERM_MOVED.code:
        # Somebody renewed it already: the event that says so is on its way.
        await schedule(session, service, at=session.clock.now() + _LOOK_AGAIN)
    else:
        await note_problem(session, service, code=code, after=_patience(service))


def _patience(service: Service) -> timedelta:
    """Wait longer than for the client's money: what a seller refuses takes people to solve."""
    return 6 * renewal_times(service.period).retry


def _named(service: Service, *, succeeded: bool) -> None:
    if not succeeded and service.hostname_before is not None:
        service.hostname = service.hostname_before
    service.hostname_before = None


async def _drop_wishes(session: WriteSession, service: Service, group: Group) -> None:
    under_way, last = await queries.find_group(session, service, group)
    if not under_way and last is not None and last.state != _SUCCEEDED:
        await want_as_heard(session, service, group)


async def want_as_heard(session: WriteSession, service: Service, group: Group) -> None:
    """Let what was heard of a locked service stand in this group, whatever was wanted."""
    if group in ACTOR_OF_GROUP:
        await _suspend_as_heard(session, service, ACTOR_OF_GROUP[group])
    elif group is Group.POWER and service.heard is not None:
        service.wanted_power = service.heard["wanted_power"]
    elif group is Group.LIFE and service.wanted_life != Life.CANCELLED:
        _live_as_heard(service)
        await schedule(session, service)


def _live_as_heard(service: Service) -> None:
    scheduled = service.heard is not None and service.heard["terminate_at"] is not None
    ended = scheduled or service.heard_state in GONE
    service.wanted_life = Life.TERMINATED if ended else Life.ACTIVE
    service.terminate_when = ("period_end" if scheduled else "now") if ended else None


async def _suspend_as_heard(session: WriteSession, service: Service, actor: PartnerActor) -> None:
    heard = heard_of(service)
    causes = [cause for cause, its_actor in ACTOR_OF.items() if its_actor == actor]
    rows = (await queries.find_suspensions(session, [service]))[service.id]
    mine = [row for row in rows if row.cause in causes]
    if actor not in own_actors(heard):
        for row in mine:
            await session.delete(row)
    elif not mine and heard is not None:
        found = next(item for item in heard.suspensions if item.actor == actor)
        session.add(
            WantedSuspension(
                service_id=service.id,
                cause=CAUSE_OF[actor],
                client_id=service.client_id,
                reason=str(found.reason),
                since=found.since,
            )
        )
