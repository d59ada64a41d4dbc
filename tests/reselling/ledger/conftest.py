"""Gives the tests of this room the running application."""

from tests.reselling.house_fixtures import house

__all__ = ["house"]
