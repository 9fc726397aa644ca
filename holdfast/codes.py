"""Every enumeration of the venue: one meaning per number, never renumbered.

The numbers are written into journals and snapshots, and they are compiled into the kernels. A number that has been in a
release keeps its meaning for good; what is no longer used is left out, not given away again.
"""

from enum import IntEnum


class CommandKind(IntEnum):
    """What may be asked. Below 32: trading, one record each. From 32: operators' commands. From 64: the directory."""

    NONE = 0
    PLACE_ORDER = 1
    CANCEL_ORDER = 2
    CANCEL_ALL = 3  # All open orders of an account, in one instrument or (instrument_id 0) in all.
    REPLACE_ORDER = 4  # Cancel one order and place another, as one step. CommandFlag says what if the cancel fails.
    AMEND_ORDER = 5  # Make an open order smaller; it keeps its place in the queue.
    SET_COUNTDOWN = 9  # Start, renew or stop a dead man's timer of an account, in one instrument or (0) in all.
    PLACE_ORDER_LIST = 6  # The last of a group: the orders whose records came before it, as one.
    ORDER_LIST_LEG = 7  # One order of the list that comes with this group's last record.
    CANCEL_ORDER_LIST = 8

    DEPOSIT = 32
    REQUEST_WITHDRAWAL = 33
    APPROVE_WITHDRAWAL = 34
    SEND_WITHDRAWAL = 35
    REFUSE_WITHDRAWAL = 36
    TRANSFER = 37
    WITHDRAW_FEES = 38
    ADD_ASSET = 39
    ADD_INSTRUMENT = 40
    SET_INSTRUMENT_PARAMETER = 41
    SET_TRADING_MODE = 42
    SET_ACCOUNT_FEES = 43
    SET_ACCOUNT_FROZEN = 44
    KILL_ACCOUNT = 45  # Freeze the account and cancel all its orders.
    SET_VENUE_KILLED = 46  # 1: refuse all new orders and cancel all open ones. 0: lift it.
    SET_LIMIT = 47
    ACTIVATE_RULES = 48
    SCHEDULE_REOPENING = 49  # HALT, CANCEL_ONLY, AUCTION, TRADING, each at its time.
    CANCEL_REOPENING = 50  # The instrument stays in the mode that it is in.
    TICK = 56  # Carries nothing but time: what is due by its `ts_ns` happens.

    CREATE_ACCOUNT = 64
    CREATE_KEY = 65  # A PAYLOAD group follows: what the directory keeps about the key.
    REVOKE_KEY = 66
    REWRAP_SECRETS = 67  # A PAYLOAD group follows: every secret under the new master key.
    PAYLOAD = 127  # Bytes that belong to the control command before it; the engine passes over it.


class CommandFlag(IntEnum):
    """Bits of a command's `flags`."""

    REPLACE_EVEN_IF_CANCEL_FAILS = 1  # Binance's ALLOW_FAILURE.
    GROUP_CONTINUES = 2  # The next record belongs to this one; a group is durable whole or not at all.
    PEG_PRIMARY = 4  # The price is that of the order's own side of the book, `price_ticks` levels from the best.
    PEG_MARKET = 8  # The same of the opposite side.


class Side(IntEnum):
    NONE = 0
    BUY = 1
    SELL = 2


class OrderType(IntEnum):
    """Even ones trade at any price once they work, odd ones have a limit. From 4: they wait for their stop price."""

    NONE = 0
    LIMIT = 1
    MARKET = 2
    LIMIT_MAKER = 3
    STOP_LOSS = 4
    STOP_LOSS_LIMIT = 5
    TAKE_PROFIT = 6
    TAKE_PROFIT_LIMIT = 7


class TimeInForce(IntEnum):
    NONE = 0
    GTC = 1
    IOC = 2
    FOK = 3


class SelfTradePrevention(IntEnum):
    """What happens when an order would trade with one of the same account; the taker's mode decides."""

    NONE = 0
    EXPIRE_TAKER = 1
    EXPIRE_MAKER = 2
    EXPIRE_BOTH = 3
    DECREMENT = 4


class PegPriceType(IntEnum):
    NONE = 0
    PRIMARY = 1
    MARKET = 2


class OrderListKind(IntEnum):
    """How the orders of a list depend on each other. The legs come in the order that is named here."""

    NONE = 0
    OCO = 1  # Above and below: what happens to one ends the other.
    OTO = 2  # Working and pending: the pending order is placed when the working one is filled.
    OTOCO = 3  # Working, pending above, pending below: the pending ones are a pair as in OCO.
    OPO = 4  # As OTO; the pending order sells what the working one bought.
    OPOCO = 5  # As OTOCO, likewise.


class ContingencyType(IntEnum):
    """Of a list as Binance names it: OCO, or all others."""

    NONE = 0
    OCO = 1
    OTO = 2


class ListStatusType(IntEnum):
    """What an event says of a list."""

    NONE = 0
    RESPONSE = 1  # Placing or canceling it was refused.
    EXEC_STARTED = 2  # It was placed, or its pending orders were.
    UPDATED = 3  # An order of it has another client id.
    ALL_DONE = 4  # All its orders have ended.


class ListOrderStatus(IntEnum):
    NONE = 0
    EXECUTING = 1
    ALL_DONE = 2
    REJECT = 3


class CancelRestriction(IntEnum):
    NONE = 0
    ONLY_NEW = 1
    ONLY_PARTIALLY_FILLED = 2


class OrderStatus(IntEnum):
    NONE = 0
    NEW = 1
    PARTIALLY_FILLED = 2
    FILLED = 3
    CANCELED = 4
    REJECTED = 5
    EXPIRED = 6
    EXPIRED_IN_MATCH = 7  # By self-trade prevention.
    PENDING_NEW = 8  # Of a list: not placed before the list's working order is filled.


class TradingMode(IntEnum):
    """Of an instrument. A cancel is refused only in HALT, where nothing may touch the book."""

    HALT = 0
    CANCEL_ONLY = 1
    POST_ONLY = 2  # LIMIT_MAKER and cancels.
    LIMIT_ONLY = 3  # LIMIT, LIMIT_MAKER and cancels.
    TRADING = 4
    AUCTION = 5  # Orders with a limit are collected and may cross; leaving it trades them at one price.


class OrderEventKind(IntEnum):
    ORDER_ACCEPTED = 1
    ORDER_REJECTED = 2
    TRADE = 3  # Once for the maker's order, once for the taker's.
    ORDER_CANCELED = 4
    ORDER_EXPIRED = 5
    TRADE_PREVENTED = 6  # Self-trade prevention decremented this order, and it lives on.
    CANCEL_REJECTED = 7  # Or an amendment.
    ORDER_AMENDED = 8
    ORDER_TRIGGERED = 9  # What it waited for came: the stop price, or the fill after which it is placed.


class ControlEventKind(IntEnum):
    COMMAND_DONE = 1  # An operator's or directory command took effect. `id` is what it made, `value` what it set.
    COMMAND_REPEATED = 2  # Its idempotency key was seen, with the same content: nothing done; `id` as the first time.
    COMMAND_REJECTED = 3
    COMMAND_SKIPPED = 4  # A poison command: skipped, its instrument halted.
    TRADING_MODE_CHANGED = 5  # `value` is the mode, `id` the time at which the next one is due; 0: none is.
    # The end of CANCEL_ALL, KILL_ACCOUNT, SET_VENUE_KILLED or a countdown: `value` orders were canceled.
    ORDERS_CANCELED = 6
    AUCTION_UNCROSSED = 7  # Orders that crossed have traded at one price: `id` is the price in ticks, `value` the lots.
    COUNTDOWN_SET = 13  # `id` is when it runs out (0: stopped), `value` what it was set to, in milliseconds.
    COUNTDOWN_RAN_OUT = 14  # The same; the cancels follow.


class WithdrawalStatus(IntEnum):
    NONE = 0
    REQUESTED = 1
    APPROVED = 2
    SENT = 3
    REFUSED = 4


class InstrumentParameter(IntEnum):
    """What SET_INSTRUMENT_PARAMETER sets; `qty_lots` of the command carries the value in the unit named here."""

    NONE = 0
    PRICE_TICKS_MIN = 1
    PRICE_TICKS_MAX = 2
    QTY_LOTS_MIN = 3
    QTY_LOTS_MAX = 4
    MARKET_QTY_LOTS_MIN = 5
    MARKET_QTY_LOTS_MAX = 6
    NOTIONAL_MIN = 7  # Quote units.
    NOTIONAL_MAX = 8  # Quote units; 0: none.
    NOTIONAL_MIN_APPLIES_TO_MARKET = 9  # 0 or 1.
    NOTIONAL_MAX_APPLIES_TO_MARKET = 10
    BID_MULTIPLIER_UP_PPM = 11  # PERCENT_PRICE_BY_SIDE, millionths of the average price; 0: not applied.
    BID_MULTIPLIER_DOWN_PPM = 12
    ASK_MULTIPLIER_UP_PPM = 13
    ASK_MULTIPLIER_DOWN_PPM = 14
    ORDERS_MAX = 15  # Open orders of an account.
    POSITION_MAX = 16  # Base units an account may hold or have on order; 0: none.
    MAKER_FEE_PPM = 17
    TAKER_FEE_PPM = 18
    ORDER_AMENDS_MAX = 19  # How often one order may be amended; 0: as often as `config.ORDER_AMENDS_MAX` says.
    ALGO_ORDERS_MAX = 20  # Orders of an account that wait for their stop price; 0: no bound of their own.
    BAND_PPM = 28  # How far from the average price a trade may be, in millionths of it; 0: however far.
    BAND_AUCTION_SECONDS = 29  # How long the auction lasts that a price band has begun; 0: until an operator ends it.
    TRAILING_ABOVE_BIPS_MIN = 21  # TRAILING_DELTA of trailing stops that start at or above the last price.
    TRAILING_ABOVE_BIPS_MAX = 22  # 0: there are no such orders.
    TRAILING_BELOW_BIPS_MIN = 23  # And of those that start at or below it.
    TRAILING_BELOW_BIPS_MAX = 24
    ICEBERG_PARTS_MAX = 25  # Parts of one iceberg; 0: as many as `config.ICEBERG_PARTS_MAX` says.
    ICEBERG_ORDERS_MAX = 26  # Open icebergs of an account; 0: no bound of their own.
    ORDER_LISTS_MAX = 27  # Open order lists of an account; 0: no bound of their own.
    BID_LIMIT_UP_PPM = 36  # PRICE_RANGE, millionths of the reference price; 0: no limit.
    BID_LIMIT_DOWN_PPM = 37
    ASK_LIMIT_UP_PPM = 38
    ASK_LIMIT_DOWN_PPM = 39
    REFERENCE_BUCKETS = 40  # The reference price is the mean of so many buckets of trades; 0: of none.
    REFERENCE_BUCKET_MS = 41  # Their width.
    REFERENCE_PRICE_TICKS = 42  # The reference price as an operator has set it; 0: it is the mean.


class InstrumentRule(IntEnum):
    """Bits: what an instrument's parameters switch on beyond filters."""

    REFERENCE_MEAN = 1  # Its trades make a reference price.
    PRICE_RANGE = 2
    PRICE_BAND = 4
    REFERENCE_PRICE = 8  # It may have one, by hand or by a mean.


class Limit(IntEnum):
    """What SET_LIMIT sets; `qty_lots` of the command carries the value."""

    NONE = 0
    ORDERS_MAX = 1  # Open orders of the venue.
    CLIENT_IDS_MAX = 2  # Client order ids of closed orders that are remembered.
    CLIENT_ID_HORIZON_NS = 3  # How long they are remembered; 0: only those of open orders (Binance's own rule).
    PAGES_MAX = 4  # Pages of all price ladders together.
    OPERATOR_KEYS_MAX = 5  # Idempotency keys of operators' commands; kept for good.
    BALANCES_MAX = 6
    ACCOUNTS_MAX = 7
    EXCHANGE_ORDERS_MAX = 9  # Open orders of an account, in all instruments together; 0: no limit.
    EXCHANGE_ALGO_ORDERS_MAX = 10  # Those of them that wait for their stop price; 0: no limit.
    EXCHANGE_ICEBERG_ORDERS_MAX = 11  # And icebergs; 0: no limit.
    EXCHANGE_ORDER_LISTS_MAX = 12  # And order lists; 0: no limit.
    COUNTDOWNS_MAX = 13  # Dead man's timers that run.
    ORDER_LISTS_MAX = 8  # Open order lists of the venue.


class KeyPermission(IntEnum):
    """Bits."""

    READ = 1
    TRADE = 2
    WITHDRAW = 4


class KeyType(IntEnum):
    NONE = 0
    HMAC = 1
    ED25519 = 2
    RSA = 3


class RejectReason(IntEnum):
    """Why a command was refused where it was applied. Grouped by the stage that refuses."""

    NONE = 0
    # Who asks, and when.
    DEADLINE_PASSED = 1
    KEY_INVALID = 2
    KEY_LACKS_PERMISSION = 3
    ACCOUNT_UNKNOWN = 4
    ACCOUNT_FROZEN = 5
    VENUE_KILLED = 6
    INSTRUMENT_UNKNOWN = 7
    MODE_FORBIDS = 8
    MALFORMED = 9  # A combination of fields that no gateway sends.
    # Ids.
    DUPLICATE_CLIENT_ID = 16  # The event names the first order: `order_id` (0: refused) and `status`.
    ORDER_UNKNOWN = 17
    CANCEL_RESTRICTED = 18
    IDEMPOTENCY_CONFLICT = 19  # The same key with another content.
    REPLACE_CANCEL_FAILED = 20  # The new order was not tried, since the cancel failed.
    # Amendments.
    AMEND_CHANGES_NOTHING = 21
    AMEND_INCREASES = 22
    AMEND_LEAVES_NOTHING = 23  # No more than what has traded or was prevented.
    # Order lists.
    OCO_PRICES = 24  # The prices of a pair do not lie on both sides of the last price.
    LIST_LEGS = 25  # The orders do not make such a list: their types, sides or quantities.
    ORDER_LIST_UNKNOWN = 26
    DUPLICATE_LIST_CLIENT_ID = 27  # The event names the first list: `order_list_id` (0: refused).
    OTHER_LEG_REFUSED = 28  # Another order of the same list was, so none was placed.
    AMEND_PENDING_OPO = 29  # What it will sell is not known yet.
    # Filters, one each.
    PRICE_FILTER = 32
    LOT_SIZE = 33
    MARKET_LOT_SIZE = 34
    NOTIONAL = 35
    PERCENT_PRICE_BY_SIDE = 36
    MAX_NUM_ORDERS = 37
    MAX_POSITION = 38
    MAX_NUM_ALGO_ORDERS = 39
    MAX_NUM_ORDER_AMENDS = 40
    EXCHANGE_MAX_NUM_ORDERS = 46
    EXCHANGE_MAX_NUM_ALGO_ORDERS = 47
    COUNTDOWN_INVALID = 45  # Negative, or longer than `config.COUNTDOWN_MS_MAX`.
    TRAILING_DELTA = 41
    ICEBERG_PARTS = 42
    MAX_NUM_ICEBERG_ORDERS = 43
    EXCHANGE_MAX_NUM_ICEBERG_ORDERS = 54
    MAX_NUM_ORDER_LISTS = 44
    EXCHANGE_MAX_NUM_ORDER_LISTS = 62
    # Funds and the book.
    INSUFFICIENT_BALANCE = 48
    WOULD_TAKE = 49  # A LIMIT_MAKER that would trade at once.
    NO_REFERENCE = 50
    WOULD_TRIGGER = 51  # The stop price is reached already.
    COUNTDOWNS_FULL = 61
    NO_PEG_PRICE = 53  # The book has no such level to take a pegged order's price from.
    # Full.
    ORDERS_FULL = 64
    PAGES_FULL = 65
    BALANCES_FULL = 66
    ACCOUNTS_FULL = 67
    OPERATOR_KEYS_FULL = 68
    ASSETS_FULL = 69
    INSTRUMENTS_FULL = 70
    CLIENT_IDS_FULL = 71
    ORDER_LISTS_FULL = 72
    # Operators' commands.
    ASSET_UNKNOWN = 80
    AMOUNT_INVALID = 81
    SUPPLY_EXCEEDED = 82
    WITHDRAWAL_UNKNOWN = 83
    WITHDRAWAL_NOT_OPEN = 84
    DECIMALS_INVALID = 85
    INSTRUMENT_INVALID = 86  # tick x lot is not a whole number of quote units, or the bounds overflow.
    PARAMETER_INVALID = 87
    NAME_TAKEN = 88
    KEY_UNKNOWN = 89
    RULES_UNKNOWN = 90


class ExpiryReason(IntEnum):
    """Why an accepted order expired; in an order event's `reason` with ORDER_EXPIRED."""

    NONE = 0
    IMMEDIATE_OR_CANCEL = 1
    FILL_OR_KILL = 2
    NO_LIQUIDITY = 3
    SELF_TRADE = 4
    FUNDS_EXHAUSTED = 5  # An order without a limit whose account cannot pay for another lot.
    PAGES_FULL = 6  # A stop order came to work when its price had no room on the book any more.
    PRICE_BAND = 10  # The next trade would have been outside of the price band.
    PEG_PRICE = 9  # A pegged stop order came to work when the book had no price for it, or one that a filter refused.
    PRICE_RANGE = 13  # What it would have traded with lies outside of the execution rule's range.
    OTHER_LEG = 7  # The other order of its OCO pair traded, began to work or ended.
    WORKING_ORDER_ENDED = 8  # The pending orders of a list whose working order ended without being filled.
    PLACING_REFUSED = 15  # A pending order could not be placed; the event of its list has the RejectReason.
