"""What is done at the reseller's desk, and how books that don't agree are set aside."""

from reselling_service.desk.actions.checking import check_money, unpark
from reselling_service.desk.actions.handling import dismiss_item, give_up, hand_over_item, retry

__all__ = ["check_money", "dismiss_item", "give_up", "hand_over_item", "retry", "unpark"]
