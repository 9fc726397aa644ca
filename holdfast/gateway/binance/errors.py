"""What a client is told when a request is refused: one table of Binance's codes, texts and HTTP statuses.

Everything that refuses raises an ApiError made from a row here; it is caught in one place, `endpoints.Call.attempt`.
A refusal by the engine arrives as a RejectReason and is translated by `REJECTIONS`.
"""

from typing import Any, NamedTuple

import msgspec

from holdfast.codes import RejectReason


class Error(NamedTuple):
    """One kind of refusal. `text` has a `{}` for each argument."""

    status: int
    code: int
    text: str


UNKNOWN = Error(500, -1000, "An unknown error occurred while processing the request.")
UNAUTHORIZED = Error(401, -1002, "You are not authorized to execute this request.")
TOO_MANY_REQUESTS = Error(429, -1003, "Too many requests queued.")
TOO_MUCH_WEIGHT = Error(
    429,
    -1003,
    "Too much request weight used; current limit is {} request weight per {}. "
    "Please use WebSocket Streams for live updates to avoid polling the API.",
)
BANNED = Error(
    418,
    -1003,
    "Way too much request weight used; IP banned until {}. "
    "Please use WebSocket Streams for live updates to avoid bans.",
)
TIMEOUT = Error(
    504, -1007, "Timeout waiting for response from backend server. Send status unknown; execution status unknown."
)
PENDING = Error(504, -1007, "The order is pending: it was received, and its execution is not decided yet.")
SERVER_BUSY = Error(
    503, -1008, "Server is currently overloaded with other requests. Please try again in a few minutes."
)
UNAVAILABLE = Error(503, -1008, "{}")
INVALID_MESSAGE = Error(400, -1013, "{}")
FILTER_FAILURE = Error(400, -1013, "Filter failure: {}")
UNKNOWN_ORDER_COMPOSITION = Error(400, -1014, "Unsupported order combination.")
TOO_MANY_ORDERS = Error(429, -1015, "Too many new orders; current limit is {} orders per {}.")
UNSUPPORTED_OPERATION = Error(400, -1020, "This operation is not supported.")
TIMESTAMP_TOO_OLD = Error(400, -1021, "Timestamp for this request is outside of the recvWindow.")
TIMESTAMP_AHEAD = Error(400, -1021, "Timestamp for this request was 1000ms ahead of the server's time.")
INVALID_SIGNATURE = Error(400, -1022, "Signature for this request is not valid.")
TOO_MANY_CONNECTIONS = Error(429, -1034, "Too many connection attempts from IP; current limit is {} per '{}'.")
ILLEGAL_CHARS = Error(400, -1100, "Illegal characters found in a parameter.")
ILLEGAL_CHARS_IN = Error(400, -1100, "Illegal characters found in parameter '{}'; legal range is '{}'.")
TOO_MANY_PARAMETERS = Error(400, -1101, "Too many parameters; expected '{}' and received '{}'.")
DUPLICATE_PARAMETER = Error(400, -1101, "Duplicate values for a parameter detected.")
MANDATORY_PARAMETER = Error(400, -1102, "Mandatory parameter '{}' was not sent, was empty/null, or malformed.")
EITHER_PARAMETER = Error(400, -1102, "Param '{}' or '{}' must be sent, but both were empty/null!")
PARAMETER_TOO_GREAT = Error(400, -1102, "'{}' contains unexpected value. Cannot be greater than {}.")
UNREAD_PARAMETERS = Error(400, -1104, "Not all sent parameters were read; read '{}' parameter(s) but was sent '{}'.")
PARAMETER_EMPTY = Error(400, -1105, "Parameter '{}' was empty.")
PARAMETER_NOT_REQUIRED = Error(400, -1106, "Parameter '{}' sent when not required.")
PARAMETER_OVERFLOW = Error(400, -1108, "Parameter '{}' overflowed.")
BAD_PRECISION = Error(400, -1111, "Parameter '{}' has too much precision.")
TIF_NOT_REQUIRED = Error(400, -1114, "TimeInForce parameter sent when not required.")
INVALID_TIF = Error(400, -1115, "Invalid timeInForce.")
INVALID_ORDER_TYPE = Error(400, -1116, "Invalid orderType.")
INVALID_SIDE = Error(400, -1117, "Invalid side.")
BAD_INTERVAL = Error(400, -1120, "Invalid interval.")
BAD_SYMBOL = Error(400, -1121, "Invalid symbol.")
INVALID_SYMBOL_STATUS = Error(400, -1122, "Invalid symbolStatus.")
INTERVAL_TOO_BIG = Error(400, -1127, "More than {} hours between startTime and endTime.")
BAD_COMBINATION = Error(400, -1128, "Combination of optional parameters invalid.")
RECOMMENDED_PARAMETER = Error(
    400, -1128, "Combination of optional parameters invalid. Recommendation: '{}' should also be sent."
)
INVALID_PARAMETER = Error(400, -1130, "Data sent for parameter '{}' is not valid.")
BAD_STRATEGY_TYPE = Error(400, -1134, "`strategyType` was less than 1000000.")
INVALID_JSON = Error(400, -1135, "Invalid JSON Request")
INVALID_JSON_PARAMETER = Error(400, -1135, "JSON sent for parameter '{}' is not valid")
INVALID_TICKER_TYPE = Error(400, -1139, "Invalid ticker type.")
INVALID_CANCEL_RESTRICTIONS = Error(400, -1145, "Invalid cancelRestrictions")
DUPLICATE_SYMBOLS = Error(400, -1151, "Symbol is present multiple times in the list.")
OCO_ORDER_TYPE_REJECTED = Error(400, -1158, "Order type not supported in OCO.")
OCO_ICEBERG_TIME_IN_FORCE = Error(400, -1160, "Parameter '{}' is not supported if `{}` is not GTC.")
BUY_OCO_LIMIT_MUST_BE_BELOW = Error(400, -1165, "A limit order in a buy OCO must be below.")
SELL_OCO_LIMIT_MUST_BE_ABOVE = Error(400, -1166, "A limit order in a sell OCO must be above.")
BOTH_OCO_ORDERS_CANNOT_BE_LIMIT = Error(400, -1168, "At least one OCO order must be contingent.")
TOO_MANY_SUBSCRIPTIONS = Error(
    400, -1191, "Too many subscriptions. Connection may create up to '{}' subscriptions at a time."
)
INVALID_TIME_UNIT = Error(400, -1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND.")
BUY_OCO_STOP_LOSS_MUST_BE_ABOVE = Error(400, -1196, "A stop loss order in a buy OCO must be above.")
SELL_OCO_STOP_LOSS_MUST_BE_BELOW = Error(400, -1197, "A stop loss order in a sell OCO must be below.")
BUY_OCO_TAKE_PROFIT_MUST_BE_BELOW = Error(400, -1198, "A take profit order in a buy OCO must be below.")
SELL_OCO_TAKE_PROFIT_MUST_BE_ABOVE = Error(400, -1199, "A take profit order in a sell OCO must be above.")
INVALID_PEG_PRICE_TYPE = Error(400, -1210, "Invalid pegPriceType.")
INVALID_PEG_OFFSET_TYPE = Error(400, -1211, "Invalid pegOffsetType.")
STATUS_MISMATCH = Error(400, -1220, "The symbol's status does not match the requested symbolStatus.")
OPO_WORKING_MUST_BE_BUY = Error(400, -1222, "Working order in an OPO list must be a bid.")
OPO_PENDING_MUST_BE_SELL = Error(400, -1223, "Pending orders in an OPO list must be asks.")
NEW_ORDER_REJECTED = Error(400, -2010, "{}")
CANCEL_REJECTED = Error(400, -2011, "{}")
NO_SUCH_ORDER = Error(400, -2013, "Order does not exist.")
BAD_API_KEY_FORMAT = Error(401, -2014, "API-key format invalid.")
REJECTED_API_KEY = Error(401, -2015, "Invalid API-key, IP, or permissions for action.")
NO_SUCH_ORDER_LIST = Error(400, -2018, "Order list does not exist.")  # Not in Binance's documents, but in its answers.
REPLACE_PARTIALLY_FAILED = Error(409, -2021, "Order cancel-replace partially failed.")
REPLACE_FAILED = Error(400, -2022, "Order cancel-replace failed.")
SUBSCRIPTION_ACTIVE = Error(400, -2035, "User Data Stream subscription already active.")
SUBSCRIPTION_INACTIVE = Error(400, -2036, "User Data Stream subscription not active.")
ORDER_AMEND_REJECTED = Error(400, -2038, "{}")
CLIENT_ORDER_ID_INVALID = Error(400, -2039, "Client order ID is not correct for this order ID.")
MAXIMUM_SUBSCRIPTION_IDS = Error(400, -2042, "Maximum subscription ID reached for this connection.")
NO_REFERENCE_PRICE = Error(400, -2043, "This symbol doesn't have a reference price.")

# Texts of refusals by the engine, as Binance words them.
MARKET_CLOSED = "Market is closed."
UNKNOWN_ORDER = "Unknown order sent."
UNKNOWN_ORDER_LIST = "Unknown order list sent."
DUPLICATE_ORDER = "Duplicate order sent."
OTHER_LEG_REFUSED = "Another order of the same order list was refused."
OCO_PRICES = "The relationship of the prices for the orders is not correct."
AMEND_PENDING_OPO = "Order amend (pending OPO order) is not supported."
CANCEL_RESTRICTED = "Order was not canceled due to cancel restrictions."
INSUFFICIENT_BALANCE = "Account has insufficient balance for requested action."
WOULD_TAKE = "Order would immediately match and take."
WOULD_TRIGGER = "Order would trigger immediately."
ACTION_DISABLED = "This action is disabled on this account."
NO_MARKET_ORDERS = "Market orders are not supported for this symbol."
AMEND_INCREASES = "Order amend (quantity increase) is not supported."
AMEND_LEAVES_NOTHING = "Order amend (to no more than the executed and prevented quantity) is not supported."
NO_CHANGE = "The requested action would change no state; rejecting"
ICEBERG_EXCEEDS_QTY = "IcebergQty exceeds QTY."
TYPE_NOT_PEGGED = "This order type may not use pegged price."
PEG_NOT_OF_TYPE = "This price peg cannot be used with this order type."
NO_PEG_PRICE = "Order book liquidity is too low for this pegged order."
PRICE_TIMES_QTY_ZERO = "Price * QTY is zero or less."


class ApiError(Exception):
    """A refusal on its way to the client. `data` goes into the answer beside code and text."""

    def __init__(
        self, error: Error, *arguments: object, data: dict[str, Any] | None = None, retry_at_ns: int = 0
    ) -> None:
        super().__init__(error, *arguments)
        self.error = error
        self.text = error.text.format(*arguments) if arguments else error.text
        self.data = data
        self.retry_at_ns = retry_at_ns  # With 429 and 418: when to come again.

    @property
    def status(self) -> int:
        return self.error.status

    def as_dict(self) -> dict[str, Any]:
        """The JSON object that the client reads."""
        shown: dict[str, Any] = {"code": self.error.code, "msg": self.text}
        if self.data is not None:
            shown["data"] = self.data
        return shown

    def body(self) -> bytes:
        return msgspec.json.encode(self.as_dict())


# Why the engine refused a new order, a cancel, or both: the row, and the arguments of its text.
REJECTIONS: dict[RejectReason, tuple[Error, str]] = {
    RejectReason.DEADLINE_PASSED: (TIMESTAMP_TOO_OLD, ""),
    RejectReason.KEY_INVALID: (REJECTED_API_KEY, ""),
    RejectReason.KEY_LACKS_PERMISSION: (REJECTED_API_KEY, ""),
    RejectReason.ACCOUNT_UNKNOWN: (REJECTED_API_KEY, ""),
    RejectReason.ACCOUNT_FROZEN: (NEW_ORDER_REJECTED, ACTION_DISABLED),
    RejectReason.VENUE_KILLED: (NEW_ORDER_REJECTED, MARKET_CLOSED),
    RejectReason.INSTRUMENT_UNKNOWN: (BAD_SYMBOL, ""),
    RejectReason.MODE_FORBIDS: (NEW_ORDER_REJECTED, MARKET_CLOSED),
    RejectReason.MALFORMED: (UNKNOWN_ORDER_COMPOSITION, ""),
    RejectReason.DUPLICATE_CLIENT_ID: (NEW_ORDER_REJECTED, DUPLICATE_ORDER),
    RejectReason.ORDER_UNKNOWN: (CANCEL_REJECTED, UNKNOWN_ORDER),
    RejectReason.CANCEL_RESTRICTED: (CANCEL_REJECTED, CANCEL_RESTRICTED),
    RejectReason.AMEND_CHANGES_NOTHING: (ORDER_AMEND_REJECTED, NO_CHANGE),
    RejectReason.AMEND_INCREASES: (ORDER_AMEND_REJECTED, AMEND_INCREASES),
    RejectReason.AMEND_LEAVES_NOTHING: (ORDER_AMEND_REJECTED, AMEND_LEAVES_NOTHING),
    RejectReason.OCO_PRICES: (NEW_ORDER_REJECTED, OCO_PRICES),
    RejectReason.LIST_LEGS: (UNKNOWN_ORDER_COMPOSITION, ""),
    RejectReason.ORDER_LIST_UNKNOWN: (CANCEL_REJECTED, UNKNOWN_ORDER_LIST),
    RejectReason.DUPLICATE_LIST_CLIENT_ID: (NEW_ORDER_REJECTED, DUPLICATE_ORDER),
    RejectReason.OTHER_LEG_REFUSED: (NEW_ORDER_REJECTED, OTHER_LEG_REFUSED),
    RejectReason.AMEND_PENDING_OPO: (ORDER_AMEND_REJECTED, AMEND_PENDING_OPO),
    RejectReason.PRICE_FILTER: (FILTER_FAILURE, "PRICE_FILTER"),
    RejectReason.LOT_SIZE: (FILTER_FAILURE, "LOT_SIZE"),
    RejectReason.MARKET_LOT_SIZE: (FILTER_FAILURE, "MARKET_LOT_SIZE"),
    RejectReason.NOTIONAL: (FILTER_FAILURE, "NOTIONAL"),
    RejectReason.PERCENT_PRICE_BY_SIDE: (FILTER_FAILURE, "PERCENT_PRICE_BY_SIDE"),
    RejectReason.MAX_NUM_ORDERS: (FILTER_FAILURE, "MAX_NUM_ORDERS"),
    RejectReason.MAX_POSITION: (FILTER_FAILURE, "MAX_POSITION"),
    RejectReason.MAX_NUM_ALGO_ORDERS: (FILTER_FAILURE, "MAX_NUM_ALGO_ORDERS"),
    RejectReason.TRAILING_DELTA: (FILTER_FAILURE, "TRAILING_DELTA"),
    RejectReason.MAX_NUM_ORDER_AMENDS: (FILTER_FAILURE, "MAX_NUM_ORDER_AMENDS"),
    RejectReason.ICEBERG_PARTS: (FILTER_FAILURE, "ICEBERG_PARTS"),
    RejectReason.MAX_NUM_ICEBERG_ORDERS: (FILTER_FAILURE, "MAX_NUM_ICEBERG_ORDERS"),
    RejectReason.EXCHANGE_MAX_NUM_ICEBERG_ORDERS: (FILTER_FAILURE, "EXCHANGE_MAX_NUM_ICEBERG_ORDERS"),
    RejectReason.EXCHANGE_MAX_NUM_ORDER_LISTS: (FILTER_FAILURE, "EXCHANGE_MAX_NUM_ORDER_LISTS"),
    RejectReason.EXCHANGE_MAX_NUM_ORDERS: (FILTER_FAILURE, "EXCHANGE_MAX_NUM_ORDERS"),
    RejectReason.EXCHANGE_MAX_NUM_ALGO_ORDERS: (FILTER_FAILURE, "EXCHANGE_MAX_NUM_ALGO_ORDERS"),
    RejectReason.MAX_NUM_ORDER_LISTS: (FILTER_FAILURE, "MAX_NUM_ORDER_LISTS"),
    RejectReason.INSUFFICIENT_BALANCE: (NEW_ORDER_REJECTED, INSUFFICIENT_BALANCE),
    RejectReason.WOULD_TAKE: (NEW_ORDER_REJECTED, WOULD_TAKE),
    RejectReason.WOULD_TRIGGER: (NEW_ORDER_REJECTED, WOULD_TRIGGER),
    RejectReason.NO_PEG_PRICE: (NEW_ORDER_REJECTED, NO_PEG_PRICE),
    RejectReason.NO_REFERENCE: (NO_REFERENCE_PRICE, ""),
    RejectReason.ORDERS_FULL: (SERVER_BUSY, ""),
    RejectReason.PAGES_FULL: (SERVER_BUSY, ""),
    RejectReason.BALANCES_FULL: (SERVER_BUSY, ""),
    RejectReason.CLIENT_IDS_FULL: (SERVER_BUSY, ""),
    RejectReason.COUNTDOWN_INVALID: (INVALID_PARAMETER, "countdownTime"),
    RejectReason.COUNTDOWNS_FULL: (SERVER_BUSY, ""),
    RejectReason.ORDER_LISTS_FULL: (SERVER_BUSY, ""),
}


def rejection(reason: int, data: dict[str, Any] | None = None) -> ApiError:
    """The refusal of a trading command, as the client is told it."""
    error, argument = REJECTIONS.get(RejectReason(reason), (UNKNOWN, ""))
    return ApiError(error, argument, data=data) if argument else ApiError(error, data=data)


def cancel_rejection(reason: int) -> ApiError:
    """The refusal of a cancel: as `rejection`, except that what closes a market is a cancel's refusal here."""
    error, argument = REJECTIONS.get(RejectReason(reason), (UNKNOWN, ""))
    if error is NEW_ORDER_REJECTED:
        error = CANCEL_REJECTED
    return ApiError(error, argument) if argument else ApiError(error)


def amend_rejection(reason: int) -> ApiError:
    """The refusal of an amendment: as `rejection`, except that whatever the market refuses has one code here."""
    error, argument = REJECTIONS.get(RejectReason(reason), (UNKNOWN, ""))
    if error in (NEW_ORDER_REJECTED, CANCEL_REJECTED, FILTER_FAILURE):
        return ApiError(ORDER_AMEND_REJECTED, error.text.format(argument))
    return ApiError(error, argument) if argument else ApiError(error)
