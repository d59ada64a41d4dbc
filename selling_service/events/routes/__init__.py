"""The HTTP of the feed, for partners."""

from selling_service.events.routes.feed import router

partner_routers = [router]
