"""What may be done with services: opening, wishes of clients and staff, and what sellers tell."""

from reselling_service.services.actions.again import order_again, renew_again, wish_again
from reselling_service.services.actions.hearing import News, hear, hear_inventory, hear_status, park
from reselling_service.services.actions.life import restore, terminate
from reselling_service.services.actions.naming import rename, set_name
from reselling_service.services.actions.opening import NewService, open_service
from reselling_service.services.actions.power import restart, start, stop
from reselling_service.services.actions.pricing import reprice, set_price
from reselling_service.services.actions.renewing import renew, renew_itself, set_auto_renew
from reselling_service.services.actions.settled import follow
from reselling_service.services.actions.suspensions import resume, suspend

__all__ = [
    "NewService",
    "News",
    "follow",
    "hear",
    "hear_inventory",
    "hear_status",
    "open_service",
    "order_again",
    "park",
    "rename",
    "renew",
    "renew_again",
    "renew_itself",
    "reprice",
    "restart",
    "restore",
    "resume",
    "set_auto_renew",
    "set_name",
    "set_price",
    "start",
    "stop",
    "suspend",
    "terminate",
    "wish_again",
]
