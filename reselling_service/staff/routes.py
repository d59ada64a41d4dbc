"""Who may use the staff's API, and the routes about staff themselves."""

from typing import Annotated

from fastapi import Depends

from reselling_service.staff.models import PEOPLE
from shared.kit.people import StaffGuard, StaffPrincipal
from shared.kit.people.principals import ACCOUNTANTS, EVERYBODY, OPERATORS, OWNERS

_guard = StaffGuard(PEOPLE)

AnyStaff = Annotated[StaffPrincipal, Depends(_guard.having(EVERYBODY))]
OperatorStaff = Annotated[StaffPrincipal, Depends(_guard.having(OPERATORS))]
FinanceStaff = Annotated[StaffPrincipal, Depends(_guard.having(ACCOUNTANTS))]
OwnerStaff = Annotated[StaffPrincipal, Depends(_guard.having(OWNERS))]
