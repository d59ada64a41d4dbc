"""What is done at the reseller's desk, and how books that don't agree are set aside."""

from reselling_service.desk.actions.checking import MONEY
from reselling_service.desk.actions.handling import dismiss_item, give_up, hand_over_item, retry

__all__ = ["MONEY", "dismiss_item", "give_up", "hand_over_item", "retry"]
