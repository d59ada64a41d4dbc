"""The HTTP of reconciliation: the desk of the staff."""

from reselling_service.reconciliation.routes.staff import routers as staff_routers

__all__ = ["staff_routers"]
