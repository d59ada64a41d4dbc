"""HTTP of clients: their own way in and profile, and the staff's desk."""

from reselling_service.clients.routes import client, staff
from reselling_service.clients.routes.client import resolve_client

__all__ = ["client_routers", "resolve_client", "staff_routers"]

client_routers = [client.router]
staff_routers = [staff.router]
