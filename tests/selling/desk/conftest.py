"""The house of the services' tests, whose staff sit at the desk."""

from tests.selling.services.conftest import desk, house, partner, ref

__all__ = ["desk", "house", "partner", "ref"]
