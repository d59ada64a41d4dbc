"""Who may use the staff's API, and the routes about staff themselves."""

from typing import Annotated

from fastapi import Depends

from reselling_service.database import Job
from reselling_service.staff.models import PEOPLE
from reselling_service.staff.rules import KEPT_JOBS
from shared.kit.people import StaffGuard, StaffPrincipal
from shared.kit.people.job_routes import job_routers
from shared.kit.people.principals import ACCOUNTANTS, EVERYBODY, OPERATORS, OWNERS
from shared.kit.people.routes import people_routers
from shared.kit.people.sandbox_routes import sandbox_routers as make_sandbox_routers

GUARD = StaffGuard(PEOPLE)

AnyStaff = Annotated[StaffPrincipal, Depends(GUARD.having(EVERYBODY))]
OperatorStaff = Annotated[StaffPrincipal, Depends(GUARD.having(OPERATORS))]
FinanceStaff = Annotated[StaffPrincipal, Depends(GUARD.having(ACCOUNTANTS))]
OwnerStaff = Annotated[StaffPrincipal, Depends(GUARD.having(OWNERS))]

staff_routers = [
    *people_routers(PEOPLE, GUARD),
    *job_routers(PEOPLE, GUARD, jobs=Job, kept=KEPT_JOBS),
]
# To be included only where the settings say sandbox, so that nobody else even sees them.
sandbox_routers = make_sandbox_routers(PEOPLE, GUARD)
