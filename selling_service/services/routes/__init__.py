"""The HTTP of services, for partners and for the provider's staff."""

from selling_service.services.routes.accounts import router as accounts
from selling_service.services.routes.commands import router as commands
from selling_service.services.routes.reading import router as reading
from selling_service.services.routes.staff import router as staff

partner_routers = [accounts, commands, reading]
admin_routers = [staff]
