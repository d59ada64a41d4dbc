"""What all platforms on other machines have in common; each brings only its own hands."""

from selling_service.provisioning.drivers.foreign.driver import ForeignPlatform
from selling_service.provisioning.drivers.foreign.hands import Hands, Plan, Seen
from selling_service.provisioning.drivers.foreign.limits import Limits

__all__ = ["ForeignPlatform", "Hands", "Limits", "Plan", "Seen"]
