"""How a simulated platform behaves: its totals, its quota, its slowness and its faults."""

import asyncio
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from selling_service.provisioning.drivers.simulated.models import SimulatedPlatformRow

EVERY_CALL = "*"
_MS = 1000


class FaultKind(StrEnum):
    """What goes wrong with a call.

    `answer_lost`: it is done, but the caller hears that the platform is away. `half_done`: a
    creation stops in the middle, any other call is not begun; the caller hears the same.
    """

    UNAVAILABLE = "unavailable"
    REFUSED = "refused"
    FULL = "full"
    ANSWER_LOST = "answer_lost"
    HALF_DONE = "half_done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault for the next `times` calls; None: until it is taken away."""

    kind: FaultKind
    times: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """All that can be set.

    Totals that may be handed out; `vms_per_user` and `images` None: no limit, every OS template.
    `faults` by name of the call (`create_vm`, …); `*` is for the calls without one of their own.
    """

    vms: int = 100_000
    vcpu: int = 1_000_000
    ram_mib: int = 1_000_000_000
    disk_gib: int = 100_000_000
    vms_per_user: int | None = None
    images: tuple[str, ...] | None = None
    delay_ms: int = 0
    faults: Mapping[str, Fault] = field(default_factory=dict)


async def set_behaviour(engine: AsyncEngine, *, name: str, behaviour: Behaviour) -> None:
    """Make the platform behave like this from the next call on; a new name is a new platform."""
    values = asdict(behaviour)
    if behaviour.images is not None:
        values["images"] = list(behaviour.images)
    statement = insert(SimulatedPlatformRow).values(name=name, **values)
    async with engine.begin() as connection:
        await connection.execute(
            statement.on_conflict_do_update(index_elements=["name"], set_=values)
        )


async def get_behaviour(engine: AsyncEngine, *, name: str) -> Behaviour:
    """Return how the platform behaves now; faults that are used up are gone."""
    table = SimulatedPlatformRow.__table__.c
    async with engine.connect() as connection:
        found = await connection.execute(select(SimulatedPlatformRow).where(table.name == name))
        row = found.mappings().one_or_none()
    if row is None:
        return Behaviour()
    images = row["images"]
    return Behaviour(
        vms=row["vms"],
        vcpu=row["vcpu"],
        ram_mib=row["ram_mib"],
        disk_gib=row["disk_gib"],
        vms_per_user=row["vms_per_user"],
        images=None if images is None else tuple(images),
        delay_ms=row["delay_ms"],
        faults={call: _fault(kept) for call, kept in row["faults"].items()},
    )


async def meet_fault(engine: AsyncEngine, *, name: str, call: str) -> FaultKind | None:
    """Wait as long as is set, and return the fault of this call, one fewer of which is left."""
    row = SimulatedPlatformRow
    reading = engine.execution_options(isolation_level="AUTOCOMMIT")
    async with reading.connect() as connection:
        seen = select(row.delay_ms, row.faults).where(row.name == name)
        found = (await connection.execute(seen)).one_or_none()
        if found is None:
            await connection.execute(_with_defaults(name))
            return None
    kind = None
    if call in found.faults or EVERY_CALL in found.faults:
        kind = await _use_up(engine, name=name, call=call)
    if found.delay_ms:
        await asyncio.sleep(found.delay_ms / _MS)
    return kind


async def _use_up(engine: AsyncEngine, *, name: str, call: str) -> FaultKind | None:
    row = SimulatedPlatformRow
    async with engine.begin() as connection:
        held = select(row.faults).where(row.name == name).with_for_update()
        kind, left = _take((await connection.execute(held)).scalar_one(), call)
        await connection.execute(update(row).where(row.name == name).values(faults=left))
    return kind


def _with_defaults(name: str) -> Any:  # noqa: ANN401  # an insert of a dialect
    values = asdict(Behaviour())
    return insert(SimulatedPlatformRow).values(name=name, **values).on_conflict_do_nothing()


def _take(faults: dict[str, Any], call: str) -> tuple[FaultKind | None, dict[str, Any]]:
    key = call if call in faults else EVERY_CALL
    if key not in faults:
        return None, faults
    fault = _fault(faults[key])
    if fault.times is None:
        return fault.kind, faults
    left = {other: kept for other, kept in faults.items() if other != key}
    if fault.times > 1:
        left[key] = asdict(Fault(kind=fault.kind, times=fault.times - 1))
    return fault.kind, left


def _fault(kept: dict[str, Any]) -> Fault:
    return Fault(kind=FaultKind(kept["kind"]), times=kept["times"])
