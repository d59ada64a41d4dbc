"""What the room of tariffs may refuse."""

from shared.contract.problems import ProblemType

OTHER_CURRENCY = ProblemType("other_currency", 409, "The seller's currency isn't the house's")
NOT_IN_CATALOG = ProblemType("not_in_catalog", 409, "The seller doesn't offer this tariff")
TARIFF_WITHDRAWN = ProblemType("tariff_withdrawn", 409, "The seller has withdrawn the tariff")
