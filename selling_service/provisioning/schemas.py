"""Shapes of the simulated platform's settings, for rehearsals in a sandbox."""

from typing import Annotated

from pydantic import Field

from shared.contract.basics import Input, Whole, shown

Count = Annotated[Whole, Field(ge=0, le=2**31 - 1)]
Much = Annotated[Whole, Field(ge=0, le=2**53 - 1)]


class FaultInput(Input):
    """What goes wrong with a call, for the next `times` calls; null: until it is taken away."""

    kind: Annotated[
        str, Field(pattern="^(unavailable|refused|full|answer_lost|half_done)$", examples=["full"])
    ]
    times: Annotated[Whole, Field(ge=1, le=1_000_000)] | None = None


class BehaviourInput(Input):
    """All that can be set; what is left out goes back to its default.

    `faults` by name of the driver's call, e.g. `create_vm`; `*` is for all others.
    """

    model_config = shown(
        {"delay_ms": 500, "faults": {"create_vm": {"kind": "unavailable", "times": 2}}},
        {},
    )

    vms: Count = 100_000
    vcpu: Count = 1_000_000
    ram_mib: Much = 1_000_000_000
    disk_gib: Much = 100_000_000
    vms_per_user: Count | None = None
    delay_ms: Annotated[Whole, Field(ge=0, le=60_000)] = 0
    faults: dict[Annotated[str, Field(pattern=r"^(\*|[a-z_]{1,32})$")], FaultInput] = Field(
        default={}, examples=[{"create_vm": {"kind": "unavailable", "times": 2}}], max_length=20
    )
