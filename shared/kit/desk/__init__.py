"""The desk of either service: what needs a person, who holds it, and what can be done about it."""

from shared.kit.desk.cases import (
    NO_SUCH_PERSON,
    NOT_DISMISSIBLE,
    NOT_GIVEN_UP,
    NOT_PARKED,
    NOT_RETRYABLE,
    STILL_WRONG,
    CaseColumns,
)
from shared.kit.desk.checking import MoneyCheck
from shared.kit.desk.items import DeskItems, ItemKey
from shared.kit.desk.places import Place, desk_page, read_place
from shared.kit.desk.shapes import DeskHandOver, DeskItem, DeskReason, DeskUnpark, item_fields
from shared.kit.desk.words import DECIDE, MONEY_WORDS, Action, Words

__all__ = [
    "DECIDE",
    "MONEY_WORDS",
    "NOT_DISMISSIBLE",
    "NOT_GIVEN_UP",
    "NOT_PARKED",
    "NOT_RETRYABLE",
    "NO_SUCH_PERSON",
    "STILL_WRONG",
    "Action",
    "CaseColumns",
    "DeskHandOver",
    "DeskItem",
    "DeskItems",
    "DeskReason",
    "DeskUnpark",
    "ItemKey",
    "MoneyCheck",
    "Place",
    "Words",
    "desk_page",
    "item_fields",
    "read_place",
]
