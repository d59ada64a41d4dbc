"""The HTTP of the feed, for partners."""

from selling_service.events.routes.feed import router as _feed
from selling_service.events.routes.webhooks import router as _webhooks

partner_routers = [_feed, _webhooks]
