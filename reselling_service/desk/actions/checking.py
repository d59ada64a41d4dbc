"""The check of this service's own books; what contradicts itself is set aside."""

from reselling_service.desk.models import DeskCase
from reselling_service.desk.queries import find_wrong_accounts, find_wrong_services
from reselling_service.ledger.models import BOOKS
from reselling_service.services.actions.parking import park_service, unpark_service
from reselling_service.staff.models import PEOPLE
from shared.kit.desk import MoneyCheck

MONEY = MoneyCheck(
    books=BOOKS,
    cases=DeskCase,
    people=PEOPLE,
    find_accounts=find_wrong_accounts,
    find_services=find_wrong_services,
    park_service=park_service,
    unpark_service=unpark_service,
)
