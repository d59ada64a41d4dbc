"""What both sides' routes about clients share."""

from reselling_service.clients.actions.adding import Profile
from reselling_service.clients.models import Client
from reselling_service.clients.schemas import ClientCreate, ProfileView, SignUpRequest


def profile_of(body: SignUpRequest | ClientCreate) -> Profile:
    """What was told of somebody new."""
    return Profile(email=body.email, name=body.name, phone=body.phone, address=body.address)


def own_view(client: Client) -> ProfileView:
    """The shape of what a client told."""
    return ProfileView(
        id=client.id,
        email=client.email,
        name=client.name,
        phone=client.phone,
        address=client.address,
        created_at=client.created_at,
    )
