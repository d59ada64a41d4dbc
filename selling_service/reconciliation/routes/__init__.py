"""The HTTP of reconciliation, for partners and for the provider's staff."""

from selling_service.reconciliation.routes.partner import router as partner
from selling_service.reconciliation.routes.staff import routers as staff

partner_routers = [partner]
admin_routers = staff
