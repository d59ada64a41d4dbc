"""The HTTP of services, for clients and for staff."""

from reselling_service.services.routes.clients import router as _client
from reselling_service.services.routes.prices import router as _prices
from reselling_service.services.routes.staff import router as _staff

client_routers = [_client]
staff_routers = [_prices, _staff]
