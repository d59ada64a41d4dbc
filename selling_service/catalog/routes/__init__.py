"""The catalogue over HTTP: its administration, and what a partner sees of it."""

from selling_service.catalog.routes import load, offers, partner, places, tariffs

admin_routers = [tariffs.router, places.router, offers.router, load.router]
partner_routers = [partner.router]
