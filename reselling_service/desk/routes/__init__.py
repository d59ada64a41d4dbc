"""The routes of the desk, for staff."""

from reselling_service.desk.routes.desk import routers as _desk
from reselling_service.desk.routes.trail import router as _trail

staff_routers = [*_desk, _trail]
