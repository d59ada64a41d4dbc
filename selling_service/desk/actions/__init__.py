"""What is done at the provider's desk, and how books that don't agree are set aside."""

from selling_service.desk.actions.checking import MONEY
from selling_service.desk.actions.handling import dismiss_item, give_up, hand_over_item, retry

__all__ = ["MONEY", "dismiss_item", "give_up", "hand_over_item", "retry"]
