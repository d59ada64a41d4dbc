"""VMmanager 6 as a platform, by its API."""

from selling_service.provisioning.drivers.vmmanager6.api import VMmanager6API
from selling_service.provisioning.drivers.vmmanager6.hands import VMmanager6Hands
from selling_service.provisioning.drivers.vmmanager6.settings import VMmanager6Settings

__all__ = ["VMmanager6API", "VMmanager6Hands", "VMmanager6Settings"]
