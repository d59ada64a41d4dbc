"""Compares what we want of services with what was heard, and finds out which side has forgotten.

A seller that doesn't know our last command was restored from a backup: the wish is sent again. One
that does know it has heard a later one, which then we have forgotten: what was heard is wanted.
"""

from functools import partial
from uuid import UUID

from reselling_service.commands.models import Command
from reselling_service.reconciliation import queries
from reselling_service.reconciliation.actions.comparing import Comparison
from reselling_service.reconciliation.rules import Kind, finding, told, wanted_words
from reselling_service.services import queries as services
from reselling_service.services.actions import hear_status, wish_again
from reselling_service.services.actions.settled import want_as_heard
from reselling_service.services.models import Service, heard_of
from reselling_service.services.rules import (
    ACTOR_OF_GROUP,
    LIVE,
    Group,
    Life,
    Wanted,
    own_actors,
)
from shared.contract.services import ServiceStatus
from shared.kit.db import WriteSession
from shared.kit.reconciling import Finding

PAGE = 200


async def look_for_drift(comparison: Comparison) -> None:
    """Every service of the seller that isn't as it is wanted while nothing is under way."""
    after: UUID | None = None
    while True:
        async with comparison.runtime.staff.read() as session:
            ids = await queries.list_drifting(
                session, comparison.access.seller_id, after=after, limit=PAGE
            )
        for service_id in ids:
            await _look(comparison, service_id)
        if len(ids) < PAGE:
            return
        after = ids[-1]


async def _look(comparison: Comparison, service_id: UUID) -> None:
    await _hear(comparison, service_id)
    async with comparison.runtime.staff.read() as session:
        seller_id = comparison.access.seller_id
        if not await queries.is_drifting(session, seller_id, service_id=service_id):
            return
        service = await session.get_one(Service, service_id, populate_existing=True)
        wanted = await services.wanted_of(session, service)
        heard = heard_of(service)
        if heard is None:
            return
        groups = [] if wanted.life == Life.CANCELLED else drifted(wanted, heard)
        last = {group: (await services.find_group(session, service, group))[1] for group in groups}
    if wanted.life == Life.CANCELLED:
        found = _about(comparison, Kind.CANCELLED_BUT_LIVES, service, wanted, heard)
        async with comparison.runtime.staff.write() as session:
            await comparison.keep(session, found)
    for group, command in last.items():
        await _judge(comparison, service, wanted, heard, group, command)


async def _hear(comparison: Comparison, service_id: UUID) -> None:
    """Read the service first: a command may have ended before the event of its end has come."""
    async with comparison.runtime.staff.read() as session:
        service = await session.get_one(Service, service_id, populate_existing=True)
    view = await comparison.client.service(service.service_ref)
    if view is None:
        return
    async with comparison.runtime.staff.write() as session:
        status = ServiceStatus.model_validate(view.model_dump())
        await hear_status(session, service.seller_id, status, heard_before=service.heard_revision)


async def _judge(  # noqa: PLR0917 - what is known of one group of wishes
    comparison: Comparison,
    service: Service,
    wanted: Wanted,
    heard: ServiceStatus,
    group: Group,
    last: Command | None,
) -> None:
    forgotten = last is not None and await comparison.client.command(last.id) is None
    # Only we set and lift our suspensions; a life may have been ended by the provider.
    ours_alone = group in ACTOR_OF_GROUP
    found = _about(
        comparison,
        Kind.NOT_AS_WANTED,
        service,
        wanted,
        heard,
        safe=forgotten or ours_alone,
        about=group,
    )
    if forgotten and last is not None:
        await comparison.keep_later(found, partial(_send_again, service.id, group, last))
        return
    async with comparison.runtime.staff.write() as session:
        await comparison.keep(session, found, partial(_adopt_wish, service.id, group))


def drifted(wanted: Wanted, heard: ServiceStatus) -> list[Group]:
    """The groups of wishes in which both sides don't come to the same."""
    groups = [
        group
        for group, actor in ACTOR_OF_GROUP.items()
        if heard.state in LIVE and (actor in wanted.actors) != (actor in own_actors(heard))
    ]
    lives = heard.state in LIVE
    scheduled = heard.terminate_at is not None
    if wanted.life == Life.TERMINATED:
        life = lives and not (scheduled and wanted.terminate_when == "period_end")
    else:
        life = scheduled or not lives
    return [Group.LIFE] if life else groups


async def _adopt_wish(service_id: UUID, group: Group, session: WriteSession) -> bool:
    """Want what was heard, unless something else was wished meanwhile."""
    service = await _lock_idle(session, service_id)
    if service is not None:
        await want_as_heard(session, service, group)
        await session.flush()
    return service is not None


async def _send_again(service_id: UUID, group: Group, last: Command, session: WriteSession) -> bool:
    """Send the wish of a group once more, unless something else was wished meanwhile."""
    service = await _lock_idle(session, service_id)
    if service is not None:
        await wish_again(session, service, group, last=last)
    return False


async def _lock_idle(session: WriteSession, service_id: UUID) -> Service | None:
    """The service, where no command of it is under way."""
    service = await services.lock_by_id(session, service_id=service_id)
    if service is None:
        return None
    busy = (await services.find_open_commands(session, [service]))[service.id]
    return None if busy else service


def _about(
    comparison: Comparison,
    kind: Kind,
    service: Service,
    wanted: Wanted,
    heard: ServiceStatus,
    *,
    safe: bool = False,
    about: Group | None = None,
) -> Finding:
    found = finding(
        kind,
        key=service.service_ref,
        seller_id=comparison.access.seller_id,
        refs={
            "service": service.id,
            "service_ref": service.service_ref,
            "client": service.client_id,
            "wish": about,
        },
        ours=wanted_words(wanted),
        theirs=told(heard),
        safe=safe,
    )
    if about is None:
        return found
    return Finding(
        **{name: getattr(found, name) for name in found.__slots__ if name != "key"},
        key=f"{found.key}/{about}",
    )
