"""The table of the desk: what people noted about things that need one."""

from reselling_service.database import Base
from shared.kit.desk import CaseColumns


class DeskCase(CaseColumns, Base):
    """Who holds something, and whether it was looked off."""
