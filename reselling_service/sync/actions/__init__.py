"""What may be done about sellers' feeds: read them, and apply what they tell."""

from reselling_service.sync.actions.applying import Progress, apply_events
from reselling_service.sync.actions.reading import HINT_CHANNEL, Reader

__all__ = ["HINT_CHANNEL", "Progress", "Reader", "apply_events"]
