"""The upper bound of everything, with assertions that the bounds agree.

What a person may set for one venue (assets, instruments, fees, rate limits) comes from a file and is journaled as
commands; see `holdfast.instruments` and `holdfast.settings`. What stands here is the same everywhere.
"""

CLIENT_ID_BYTES = 36
SYMBOL_BYTES_MAX = 36

# Money. An amount is an int64 in units of its asset; a sum over the whole venue fits too.
ASSET_DECIMALS_MAX = 8
PRICE_SCALE = 10**8  # Prices are shown with 8 decimals; a tick is a whole number of 1e-8.
SUPPLY_MAX = 4 * 10**18  # All units of one asset that the venue may hold.
NOTIONAL_MAX = 4 * 10**18  # price_ticks x qty_lots x quote units per tick and lot, for any order.
FEE_PPM_MAX = 100_000  # 10 %.
PPM = 1_000_000

# Ladders.
PRICE_TICKS_MAX = 10**9
PAGE_TICKS = 4096

# Tables. Accounts, orders, balances, client ids and pages have limits that commands set; these are their first values.
ASSETS_MAX = 1_000
INSTRUMENTS_MAX = 4_000
ORDERS_MAX = 4_000_000
ACCOUNTS_MAX = 1_000_000
BALANCES_MAX = 8_000_000
PAGES_MAX = 65_536
CLIENT_IDS_MAX = 16_000_000
CLIENT_ID_HORIZON_NS = 24 * 3600 * 10**9
ORDER_LISTS_MAX = 1_000_000
ORDER_AMENDS_MAX = 100  # Of one order, whatever its instrument allows: each may leave a client id to remember.
OPERATOR_KEYS_MAX = 16_000_000

# One step of the engine. A command that needs more goes on from a continuation before the next command.
STEP_ORDER_EVENTS_MAX = 64

# Time.
RECV_WINDOW_MS_DEFAULT = 5_000
RECV_WINDOW_MS_MAX = 60_000

assert SUPPLY_MAX * 2 < 2**63
assert NOTIONAL_MAX * 2 < 2**63
assert FEE_PPM_MAX < PPM
assert PRICE_TICKS_MAX < 2**31
