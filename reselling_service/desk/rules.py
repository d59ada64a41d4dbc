"""What may need a person, what can be done about it, and the plain words for each problem."""

from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum

from reselling_service.commands.rules import NEVER_GIVEN_UP
from reselling_service.reconciliation.rules import MEANINGS
from shared.kit.desk import DECIDE, MONEY_WORDS, Action, Words

# An answer is a matter of a second; what takes longer than this is worth a look.
PATIENCE = timedelta(minutes=2)


class DeskKind(StrEnum):
    """What it is that needs a person.

    unread: a service of which an event of the seller's couldn't be applied. The id of an account is
    that of its client, those of a link and a feed are their seller's.
    """

    COMMAND = "command"
    SERVICE = "service"
    ACCOUNT = "account"
    UNREAD = "unread"
    LINK = "link"
    FEED = "feed"
    JOB = "job"
    DIFFERENCE = "difference"


class DeskState(StrEnum):
    """How it stands.

    Commands: unsent (held back here), unanswered, cancelling, waiting (at the seller); refused and
    failed are ends. broken: a link or a feed. dead: a job without attempts left.
    differs: what reconciliation found, and nobody has decided.
    """

    UNSENT = "unsent"
    UNANSWERED = "unanswered"
    CANCELLING = "cancelling"
    WAITING = "waiting"
    REFUSED = "refused"
    FAILED = "failed"
    PARKED = "parked"
    UNREAD = "unread"
    BROKEN = "broken"
    DEAD = "dead"
    DIFFERS = "differs"


ENDS = frozenset({DeskState.REFUSED, DeskState.FAILED})
_NO_BUTTON = frozenset({DeskState.UNREAD, DeskState.DIFFERS})
_ASK = "Ask the client to order again, or do it for them. "
_OFF = "`dismiss` takes this off the desk."
_LATER = "It is tried again by itself; `retry` hurries it. "
_GIVE_UP = "`give-up` asks the seller to cancel; the client's money is back once that is certain."
_KEY = "Look at the seller: its key, its addresses, its scopes. Then `retry`."


def _over(why: str, to_do: str = _ASK) -> Words:
    """Of what ended a command: the money is back."""
    return Words(why=f"{why} The client's money is back.", to_do=to_do + _OFF)


def _not_yet(why: str, to_do: str = "") -> Words:
    """Of what says nothing about a command: it goes again."""
    return Words(why=f"{why} What became of the command isn't known yet.", to_do=to_do + _LATER)


# By the code of the seller's answer, or of the end of its operation.
WORDS: dict[str, Words] = {
    "no_answer": _not_yet("The seller didn't answer, or not as one.", "Is it up? "),
    "link_broken": Words(
        why="It hasn't left yet: the link to the seller is broken.",
        to_do="Look at the link's own item on the desk. " + _LATER,
    ),
    "seller_disabled": Words(
        why="It hasn't left yet: the seller is disabled.",
        to_do="Enable the seller, or `give-up`: the client's money is back at once.",
    ),
    "behind_another": Words(
        why="It hasn't left yet: an earlier command of the same service goes first.",
        to_do="Look at that one. " + _GIVE_UP,
    ),
    "unauthorized": _not_yet("The seller doesn't know our key any more.", _KEY + " "),
    "insufficient_scope": _not_yet("Our key may not do this at the seller.", _KEY + " "),
    "address_not_allowed": _not_yet("The seller doesn't take our key from here.", _KEY + " "),
    "certificate_required": _not_yet("The seller wants a certificate of ours.", _KEY + " "),
    "partner_blocked": _not_yet(
        "The seller has blocked us: only suspensions and ends go through.",
        "Settle it with the seller. ",
    ),
    "no_such_route": _not_yet("The seller has nothing at that address.", "Check its URL. "),
    "method_not_allowed": _not_yet("The seller took it for another call.", "Check its URL. "),
    "malformed_request": _not_yet("The seller couldn't read it.", "A proxy may spoil it. "),
    "body_too_large": _not_yet("It is too large for the seller or a proxy.", "Check them. "),
    "headers_too_large": _not_yet("Its headers are too large for the seller or a proxy."),
    "encoding_not_supported": _not_yet("A proxy on the way packs it, which the seller won't."),
    "request_too_slow": _not_yet("It reached the seller too slowly."),
    "rate_limited": _not_yet("The seller has had too many requests of ours."),
    "too_many_streams": _not_yet("We read the seller's events too often at once."),
    "internal_error": _not_yet("The seller stumbled.", "Tell it the trace id. "),
    "idempotency_key_missing": _not_yet("The command's id was lost on the way."),
    "in_progress": _not_yet("The seller is handling it right now."),
    "idempotency_key_reused": _not_yet(
        "The seller knows its id with another content: one of us restored a backup.",
        "Compare both sides. " + _GIVE_UP + " ",
    ),
    "command_not_cancellable": _not_yet("It can't be cancelled: the seller is at it or done."),
    "command_cancelled": _over("It was cancelled before the seller had it."),
    "not_found": _over("The seller doesn't know this service.", "Compare both sides. "),
    "invalid_request": _over(
        "The seller doesn't take what it says.", "Look at the tariff and re-import it. "
    ),
    "edition_not_supported": _over("The seller's edition may not be resold.", "Ask the seller. "),
    "orders_closed": _over("The seller takes no new orders of ours.", "Ask the seller. "),
    "wrong_state": _over(
        "The service isn't in a state for this any more.", "Look at what was heard of it. "
    ),
    "parked": Words(
        why="The books of this service don't agree, so that it was set aside, here or at the "
        "seller.",
        to_do="Here: put them right and `unpark`. At the seller: ask it. " + _OFF,
    ),
    "term_moved": _over("Somebody else has renewed it already.", ""),
    "blocked_by_suspensions": _over("Others' suspensions stand.", "Ask those who set them. "),
    "service_ref_taken": _over("The seller has another order of this name.", "Compare both. "),
    "client_ref_taken": _over("Another installation has this client's name.", "Compare both. "),
    "price_above_max": _over(
        "The seller's price has risen above what we expected.", "Re-import the tariff. "
    ),
    "insufficient_balance": _over(
        "OUR balance at the seller doesn't cover it; it isn't the client's.",
        "Pay in at the seller, then order or renew again. ",
    ),
    "tariff_unavailable": _over("The seller sells this tariff no more.", "Re-import tariffs. "),
    "period_not_offered": _over("The seller has no such period any more.", "Re-import. "),
    "not_supported": _over("The seller's platform can't do what was ordered.", "Re-import. "),
    "unknown_os": _over("The seller has no such operating system any more.", "Re-import. "),
    "out_of_stock": _over("The tariff is sold out at the seller."),
    "no_capacity": _over("The seller's data centre has no room."),
    "account_in_use": _over("The client still has services there.", ""),
    "webhook_exists": _over("Hints go to that address already.", ""),
    "webhook_address": _over("Hints can't go to that address.", ""),
    "too_many_webhooks": _over("There are as many addresses for hints as may be.", ""),
    "cursor_invalid": _not_yet("The seller can't read where we stand in its events."),
    "cursor_lost": _not_yet("The seller doesn't know where we stand in its events."),
    "cursor_expired": _not_yet("We stand further back than the seller keeps its events."),
    "platform_full": _over("The seller's platform turned out to be full."),
    "platform_refused": _over("The seller's platform refused for good.", "Ask the seller. "),
    "given_up": _over("The seller's people have given it up.", "Ask the seller why. "),
    "unavailable": Words(
        why="The seller, or its platform, is away or busy. It holds the command.",
        to_do=_LATER + _GIVE_UP,
    ),
}
_BY_STATE = {
    DeskState.UNSENT: WORDS["behind_another"],
    DeskState.UNANSWERED: WORDS["no_answer"],
    DeskState.CANCELLING: Words(
        why="The seller is being asked to cancel it, and hasn't answered yet.",
        to_do="Is the seller up? " + _LATER,
    ),
    DeskState.WAITING: Words(
        why="The seller has accepted it and can't finish it.",
        to_do="Ask the seller, or wait. " + _GIVE_UP,
    ),
    DeskState.REFUSED: _over("The seller has refused it."),
    DeskState.FAILED: _over("It has failed at the seller."),
    DeskState.PARKED: Words(
        why="It was set aside: its books don't agree.",
        to_do="Read the detail, put the books right, then `unpark`.",
    ),
    DeskState.UNREAD: Words(
        why="An event of this service couldn't be applied. It is read again from the seller.",
        to_do="If it stays here, report the detail and the log to the developers.",
    ),
    DeskState.DEAD: Words(
        why="A job of the service itself failed again and again and was put aside.",
        to_do="Read its last error. `retry` gives it all attempts again; `give-up` removes it.",
    ),
    DeskState.DIFFERS: Words(why="Two sets of books don't say the same.", to_do=DECIDE),
}
_LINK = Words(
    why="Calls to the seller fail, so that they are held back for a while, then tried one by one.",
    to_do="Read the detail. Is its address right, is it up, is the key valid? `retry` tries now.",
)
_FEED = Words(
    why="The seller's events can't be read: what it does isn't heard here.",
    to_do="Read the detail. It is tried again by itself; `retry` tries now.",
)
_URGENT = "Until it arrives the VM may run on: call the seller if it is urgent. "


def explain(*, kind: str, state: str, what: str, code: str | None) -> Words:
    """The plain words for something on the desk."""
    if kind == DeskKind.DIFFERENCE:
        # A release beside this one may know more kinds.
        meaning = MEANINGS.get(what)
        return Words(why=meaning, to_do=DECIDE) if meaning else _BY_STATE[DeskState.DIFFERS]
    if kind == DeskKind.LINK:
        return _LINK
    if kind == DeskKind.FEED:
        return _FEED
    if kind != DeskKind.COMMAND:
        return MONEY_WORDS.get(code or "") or _BY_STATE[DeskState(state)]
    found = WORDS.get(code or "") or _BY_STATE[DeskState(state)]
    if state == DeskState.CANCELLING:
        found = _BY_STATE[DeskState.CANCELLING]
    if state in ENDS or what not in NEVER_GIVEN_UP:
        return found
    return Words(why=found.why, to_do=_URGENT + _LATER)


def actions_of(*, kind: str, state: str, what: str) -> Iterator[Action]:
    """What can be done about it here."""
    yield Action.HAND_OVER
    if state == DeskState.PARKED:
        yield Action.UNPARK
    elif state in ENDS:
        yield Action.DISMISS
    elif state not in _NO_BUTTON:
        yield Action.RETRY
        if kind == DeskKind.JOB or (kind == DeskKind.COMMAND and what not in NEVER_GIVEN_UP):
            yield Action.GIVE_UP
