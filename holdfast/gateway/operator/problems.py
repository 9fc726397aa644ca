"""Problems: every refusal as a document (RFC 9457) that says what is wrong and what to do about it."""

from http import HTTPStatus

import msgspec

from holdfast.codes import RejectReason

CONTENT_TYPE = "application/problem+json"


class Problem(msgspec.Struct, rename="camel", omit_defaults=True):
    """The document. `reason` is the reject reason's name when the engine refused."""

    title: str
    status: int
    detail: str
    action: str = ""
    reason: str = ""
    type: str = "about:blank"


class ProblemError(Exception):
    """Ends a request with a problem."""

    def __init__(self, status: int, detail: str, action: str = "", reason: str = "", retry_after_s: int = 0) -> None:
        super().__init__(detail)
        self.problem = Problem(HTTPStatus(status).phrase, status, detail, action, reason)
        self.retry_after_s = retry_after_s


# What the engine refuses of operators' commands: status, what is wrong, what to do.
REFUSALS: dict[RejectReason, tuple[int, str, str]] = {
    RejectReason.KEY_INVALID: (409, "The API key is not valid for this account.", "Use a key that is not revoked."),
    RejectReason.KEY_LACKS_PERMISSION: (409, "The API key may not do this.", "Create a key with the permission."),
    RejectReason.ACCOUNT_UNKNOWN: (404, "There is no such account.", "List the accounts."),
    RejectReason.ACCOUNT_FROZEN: (409, "The account is frozen.", "Lift the freeze first."),
    RejectReason.VENUE_KILLED: (409, "The venue's kill switch is on.", "Lift it first."),
    RejectReason.INSTRUMENT_UNKNOWN: (404, "There is no such instrument.", "List the instruments."),
    RejectReason.MODE_FORBIDS: (409, "The instrument's trading mode forbids it.", "Change the mode first."),
    RejectReason.IDEMPOTENCY_CONFLICT: (
        409,
        "This idempotency key was used for something else.",
        "Use a new key for a new wish, and the old one only to repeat the same wish.",
    ),
    RejectReason.INSUFFICIENT_BALANCE: (
        409,
        "There is not enough free balance.",
        "Look at the balances; open orders and withdrawals hold funds.",
    ),
    RejectReason.ASSET_UNKNOWN: (404, "There is no such asset.", "List the assets."),
    RejectReason.AMOUNT_INVALID: (409, "The amount must be more than zero.", "Give an amount above zero."),
    RejectReason.SUPPLY_EXCEEDED: (409, "The venue cannot hold so much of this asset.", "Deposit less."),
    RejectReason.WITHDRAWAL_UNKNOWN: (404, "There is no such withdrawal.", "List the withdrawals."),
    RejectReason.WITHDRAWAL_NOT_OPEN: (
        409,
        "The withdrawal is not in a state that allows this step.",
        "Look at its status: requested, then approved, then sent; refused until it is sent.",
    ),
    RejectReason.DECIMALS_INVALID: (409, "An asset has 0 to 8 decimals.", "Give another number."),
    RejectReason.INSTRUMENT_INVALID: (
        409,
        "Tick and lot do not fit each other or the bounds of the venue.",
        "Tick times lot must be a whole number of the quote's smallest unit, and price times quantity countable.",
    ),
    RejectReason.PARAMETER_INVALID: (
        409,
        "The value does not fit the other parameters or the venue's bounds.",
        "Read the present parameters, and change the ones that are in the way first.",
    ),
    RejectReason.NAME_TAKEN: (409, "The name is taken, with another content.", "Choose another name."),
    RejectReason.KEY_UNKNOWN: (404, "There is no such API key.", "List the account's keys."),
    RejectReason.ACCOUNTS_FULL: (409, "The venue has as many accounts as it may.", "Raise the limit accounts_max."),
    RejectReason.BALANCES_FULL: (409, "The venue has as many balances as it may.", "Raise the limit balances_max."),
    RejectReason.OPERATOR_KEYS_FULL: (
        409,
        "The venue remembers as many idempotency keys as it may.",
        "Raise the limit operator_keys_max.",
    ),
    RejectReason.ASSETS_FULL: (409, "The venue has as many assets as it can.", "None can be added."),
    RejectReason.INSTRUMENTS_FULL: (409, "The venue has as many instruments as it can.", "None can be added."),
    RejectReason.RULES_UNKNOWN: (409, "This program does not have those rules.", "Upgrade it first."),
}


def refused(reason: int) -> ProblemError:
    """The problem of a command that the engine refused."""
    known = RejectReason(reason)
    status, detail, action = REFUSALS.get(known, (409, "The venue refused it.", "The reason says why."))
    return ProblemError(status, detail, action, known.name)


def malformed(detail: str) -> ProblemError:
    return ProblemError(400, detail, "The OpenAPI document at /api/holdfast/v1/openapi.json says what is expected.")


def unavailable(detail: str) -> ProblemError:
    return ProblemError(
        503, detail, "Nothing was done. Try again in a moment; reading goes on meanwhile.", retry_after_s=1
    )


def pending() -> ProblemError:
    return ProblemError(
        504,
        "The command was handed to the journal and is not decided yet.",
        "Send the same request with the same Idempotency-Key again to learn what became of it.",
        retry_after_s=1,
    )
