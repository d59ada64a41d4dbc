"""What is done at the provider's desk, and how books that don't agree are set aside."""

from selling_service.desk.actions.checking import MONEY
from selling_service.desk.actions.handling import ITEMS, give_up, retry

__all__ = ["ITEMS", "MONEY", "give_up", "retry"]
