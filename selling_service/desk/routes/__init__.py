"""The routes of the desk: for the provider's staff, and the trail for partners."""

from selling_service.desk.routes.desk import routers as _desk
from selling_service.desk.routes.trail import partner_router as _partner_trail
from selling_service.desk.routes.trail import staff_router as _staff_trail

admin_routers = [*_desk, _staff_trail]
partner_routers = [_partner_trail]
