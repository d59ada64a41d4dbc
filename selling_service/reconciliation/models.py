"""Tables of the provider's reconciliation; what they hold stands in the kit."""

from selling_service.database import Base
from shared.kit.reconciling import Desk, DifferenceColumns, RunColumns


class Run(RunColumns, Base):
    """Comparisons of the books with themselves and with the platforms."""


class Difference(DifferenceColumns, Base):
    """What they found."""


DESK = Desk(runs=Run, differences=Difference)
