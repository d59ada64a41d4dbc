"""Tables of the reseller's reconciliation; what they hold stands in the kit."""

from reselling_service.database import Base
from shared.kit.reconciling import Desk, DifferenceColumns, RunColumns


class Run(RunColumns, Base):
    """Comparisons of our books with themselves and with those of the sellers."""


class Difference(DifferenceColumns, Base):
    """What they found."""


DESK = Desk(runs=Run, differences=Difference)
