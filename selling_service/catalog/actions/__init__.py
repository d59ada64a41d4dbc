"""What may be done to the catalogue; the names that other rooms use."""

from selling_service.catalog.actions.room import record_capacity, release, reserve

__all__ = ["record_capacity", "release", "reserve"]
