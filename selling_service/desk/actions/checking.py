"""The check of this service's own books; what contradicts itself is set aside."""

from selling_service.desk.models import DeskCase
from selling_service.desk.queries import find_wrong_accounts, find_wrong_services
from selling_service.ledger.models import BOOKS
from selling_service.services.actions.parking import park_service, unpark_service
from selling_service.staff.models import PEOPLE
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
