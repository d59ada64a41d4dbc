"""Who may use the partners' API, and the administration of partners by the provider's staff."""

from selling_service.partners.routes.access import FOR_KEYS, PartnerRead, PartnerWrite, needs
from selling_service.partners.routes.admin import admin_routers

__all__ = ["FOR_KEYS", "PartnerRead", "PartnerWrite", "admin_routers", "needs"]
