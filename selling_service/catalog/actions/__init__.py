"""What may be done to the catalogue; the names that other rooms and the routes use."""

from selling_service.catalog.actions.load import load_catalogue
from selling_service.catalog.actions.offers import grant_offer, remove_offer
from selling_service.catalog.actions.places import (
    REFRESH_CAPACITY,
    change_data_center,
    change_os_template,
    create_data_center,
    create_os_template,
)
from selling_service.catalog.actions.room import (
    record_capacity,
    release,
    reserve,
)
from selling_service.catalog.actions.tariffs import (
    add_version,
    adjust_stock,
    change_tariff,
    create_tariff,
    set_stock,
)

__all__ = [
    "REFRESH_CAPACITY",
    "add_version",
    "adjust_stock",
    "change_data_center",
    "change_os_template",
    "change_tariff",
    "create_data_center",
    "create_os_template",
    "create_tariff",
    "grant_offer",
    "load_catalogue",
    "record_capacity",
    "release",
    "remove_offer",
    "reserve",
    "set_stock",
]
