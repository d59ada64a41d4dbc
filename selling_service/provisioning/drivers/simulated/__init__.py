"""A platform without machines: its state is rows, its faults can be set. The default driver."""

from selling_service.provisioning.drivers.simulated.behaviour import (
    Behaviour,
    Fault,
    FaultKind,
    get_behaviour,
    set_behaviour,
)
from selling_service.provisioning.drivers.simulated.driver import SimulatedPlatform

__all__ = [
    "Behaviour",
    "Fault",
    "FaultKind",
    "SimulatedPlatform",
    "get_behaviour",
    "set_behaviour",
]
