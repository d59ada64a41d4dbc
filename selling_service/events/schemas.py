"""Shows webhooks in the shapes of the contract."""

from selling_service.events import models
from shared.contract.webhooks import WebhookDelivery, WebhookEndpoint, WebhookEndpointSecret


def endpoint(row: models.WebhookEndpoint) -> WebhookEndpoint:
    """An endpoint without its secret."""
    return WebhookEndpoint.model_validate(_shown(row))


def endpoint_secret(row: models.WebhookEndpoint, secret: str) -> WebhookEndpointSecret:
    """An endpoint with its secret."""
    return WebhookEndpointSecret.model_validate(_shown(row) | {"secret": secret})


def delivery(row: models.WebhookDelivery) -> WebhookDelivery:
    """One hint."""
    return WebhookDelivery.model_validate(
        {name: getattr(row, name) for name in WebhookDelivery.model_fields}
    )


def _shown(row: models.WebhookEndpoint) -> dict[str, object]:
    return {name: getattr(row, name) for name in WebhookEndpoint.model_fields}
