"""Rate limits: request weight per address, unfilled orders per account, a budget of its own for cancels.

Counts are by fixed intervals of the venue's clock, as Binance's are: a minute's count starts at zero with each minute.
An address that goes on after a 429 is banned (418), longer each time. Cancels draw on another budget and are not
touched by a ban, so whoever has used up everything else can still leave the market.

Invariant: memory is bounded. A table of an interval is thrown away with the interval, and addresses beyond
`addresses_max` share one count.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

import msgspec

from holdfast.config import ACCOUNTS_MAX
from holdfast.gateway.binance import errors
from holdfast.gateway.binance.errors import ApiError

SECOND_NS = 10**9
MINUTE_NS = 60 * SECOND_NS
DAY_NS = 86_400 * SECOND_NS
_BAN_SHIFT_MAX = 32


@dataclass(frozen=True, slots=True)
class Limits:
    """What one client may use. The defaults are Binance's."""

    request_weight_per_minute: int = 6_000
    raw_requests_per_5_minutes: int = 300_000
    orders_per_10_seconds: int = 100
    orders_per_day: int = 200_000
    cancels_per_minute: int = 6_000
    connections_per_5_minutes: int = 300
    refusals_before_ban: int = 300  # 429s within a minute.
    ban_seconds_first: int = 120
    ban_seconds_max: int = 3 * 86_400
    addresses_max: int = 100_000
    maker_fill_credit: int = 5  # Unfilled orders taken off when a resting order trades first; a taker's is 1.


Who = TypeVar("Who", bound=Hashable)


Sender = tuple[str, int]  # An address and an account.


class Used(NamedTuple):
    """What an address and an account have used of their limits in the current intervals."""

    weight: int
    orders_10s: int
    orders_1d: int


class Window(Generic[Who]):
    """Counts per client within the current interval."""

    __slots__ = ("_counts", "_end_ns", "_others", "_who_max", "interval_ns", "limit")

    def __init__(self, interval_ns: int, limit: int, who_max: int) -> None:
        self.interval_ns = interval_ns
        self.limit = limit
        self._end_ns = 0
        self._counts: dict[Who, int] = {}
        self._others = 0  # The one count of everybody beyond `who_max`.
        self._who_max = who_max

    def count(self, who: Who, now_ns: int) -> int:
        if now_ns >= self._end_ns:
            self._turn(now_ns)
        found = self._counts.get(who)
        if found is not None:
            return found
        return self._others if len(self._counts) >= self._who_max else 0

    def add(self, who: Who, amount: int, now_ns: int) -> int:
        """Add and return the count; a count never goes below zero."""
        if now_ns >= self._end_ns:
            self._turn(now_ns)
        counts = self._counts
        if who not in counts and len(counts) >= self._who_max:
            self._others = max(self._others + amount, 0)
            return self._others
        count = counts[who] = max(counts.get(who, 0) + amount, 0)
        return count

    def is_used_up(self, who: Who, now_ns: int) -> bool:
        return self.count(who, now_ns) >= self.limit

    def end_ns(self, now_ns: int) -> int:
        """When the current interval ends."""
        return now_ns - now_ns % self.interval_ns + self.interval_ns

    def _turn(self, now_ns: int) -> None:
        """Begin the interval of `now_ns`; never an earlier one, since requests may be counted a little late."""
        self._end_ns = self.end_ns(now_ns)
        self._counts = {}
        self._others = 0


class Bans:
    """Addresses that went on after a 429: until when, and how often so far."""

    def __init__(self, limits: Limits) -> None:
        self._first_ns = limits.ban_seconds_first * SECOND_NS
        self._max_ns = limits.ban_seconds_max * SECOND_NS
        self._addresses_max = limits.addresses_max
        self._bans: dict[str, tuple[int, int]] = {}  # address → (until, offences), oldest offence first

    def until_ns(self, address: str, now_ns: int) -> int:
        """When the ban ends; 0 when there is none."""
        if not self._bans:
            return 0
        until_ns, _ = self._bans.get(address, (0, 0))
        return until_ns if until_ns > now_ns else 0

    def ban(self, address: str, now_ns: int) -> None:
        until_ns, offences = self._bans.pop(address, (0, 0))
        if now_ns - until_ns > self._max_ns:
            offences = 0  # Behaved for as long as the longest ban lasts.
        while len(self._bans) >= self._addresses_max:
            self._bans.pop(next(iter(self._bans)))
        length_ns = min(self._first_ns << min(offences, _BAN_SHIFT_MAX), self._max_ns)
        self._bans[address] = (now_ns + length_ns, offences + 1)


class RateLimits:
    """Who has used how much. All times are the venue's clock in nanoseconds."""

    def __init__(self, limits: Limits) -> None:
        who_max = limits.addresses_max
        self.limits = limits
        self.weight: Window[str] = Window(MINUTE_NS, limits.request_weight_per_minute, who_max)
        self.cancels: Window[str] = Window(MINUTE_NS, limits.cancels_per_minute, who_max)
        self.orders_10s: Window[int] = Window(10 * SECOND_NS, limits.orders_per_10_seconds, ACCOUNTS_MAX)
        self.orders_1d: Window[int] = Window(DAY_NS, limits.orders_per_day, ACCOUNTS_MAX)
        self._raw: Window[str] = Window(5 * MINUTE_NS, limits.raw_requests_per_5_minutes, who_max)
        self._connections: Window[str] = Window(5 * MINUTE_NS, limits.connections_per_5_minutes, who_max)
        self._refusals: Window[str] = Window(MINUTE_NS, limits.refusals_before_ban, who_max)
        self._bans = Bans(limits)
        self._weight_shown = _with_count("REQUEST_WEIGHT", "MINUTE", 1, self.weight.limit)
        self._orders_10s_shown = _with_count("ORDERS", "SECOND", 10, self.orders_10s.limit)
        self._orders_1d_shown = _with_count("ORDERS", "DAY", 1, self.orders_1d.limit)

    def is_banned(self, address: str, now_ns: int) -> bool:
        return self._bans.until_ns(address, now_ns) != 0

    def charge(self, address: str, weight: int, now_ns: int) -> None:
        """Count a request. Raises 418 or 429 when the address may not make it; `weight` 0 only asks."""
        until_ns = self._bans.until_ns(address, now_ns)
        if until_ns:
            raise ApiError(errors.BANNED, until_ns // 1_000_000, retry_at_ns=until_ns)
        if self._raw.add(address, 1, now_ns) > self._raw.limit:
            raise self._refuse(
                address, now_ns, ApiError(errors.TOO_MANY_REQUESTS, retry_at_ns=self._raw.end_ns(now_ns))
            )
        if weight:
            is_too_much = self.weight.add(address, weight, now_ns) > self.weight.limit
        else:
            is_too_much = self.weight.is_used_up(address, now_ns)
        if is_too_much:
            raise self._refuse(address, now_ns, self._too_much_weight(self.weight, now_ns))

    def charge_more(self, address: str, weight: int, now_ns: int) -> None:
        """Count what a request already counted weighs more, now that its parameters are known."""
        if weight and self.weight.add(address, weight, now_ns) > self.weight.limit:
            raise self._refuse(address, now_ns, self._too_much_weight(self.weight, now_ns))

    def charge_cancel(self, address: str, now_ns: int) -> None:
        """Count a cancel in the budget that nothing else draws on."""
        if self.cancels.add(address, 1, now_ns) > self.cancels.limit:
            raise self._too_much_weight(self.cancels, now_ns)

    def charge_failed(self, address: str, weight: int, now_ns: int) -> None:
        """Orders weigh nothing when they succeed; one that fails is counted afterwards."""
        self.weight.add(address, weight, now_ns)

    def charge_connection(self, address: str, now_ns: int) -> None:
        """Count an attempt to open a WebSocket API connection."""
        self.charge(address, 2, now_ns)
        if self._connections.add(address, 1, now_ns) > self._connections.limit:
            end_ns = self._connections.end_ns(now_ns)
            raise ApiError(errors.TOO_MANY_CONNECTIONS, self._connections.limit, "5 MINUTE", retry_at_ns=end_ns)

    def charge_order(self, account_id: int, now_ns: int, count: int = 1) -> None:
        """Count a new order of the account, or those of a list. Raises 429 when it has too many unfilled ones, and
        counts nothing then."""
        short, day = self.orders_10s, self.orders_1d
        is_too_many = short.add(account_id, count, now_ns) > short.limit
        if day.add(account_id, count, now_ns) > day.limit or is_too_many:
            short.add(account_id, -count, now_ns)
            day.add(account_id, -count, now_ns)
            window, interval = (short, "10 SECOND") if is_too_many else (day, "1 DAY")
            raise ApiError(errors.TOO_MANY_ORDERS, window.limit, interval, retry_at_ns=window.end_ns(now_ns))

    def count_orders(self, account_id: int, count: int, now_ns: int) -> None:
        """Count orders of the account that were taken elsewhere already."""
        self.orders_10s.add(account_id, count, now_ns)
        self.orders_1d.add(account_id, count, now_ns)

    def charge_orders(self, counts: Mapping[Sender, int], now_ns: int) -> set[Sender]:
        """Count orders, given by address and account, as `charge` (of weight 0) and `charge_order` count each.

        Returns those of whose orders one would be refused; of them nothing is counted.
        """
        by_address: Counter[str] = Counter()
        by_account: Counter[int] = Counter()
        for (address, account_id), count in counts.items():
            by_address[address] += count
            by_account[account_id] += count
        addresses = {address for address, count in by_address.items() if not self._has_room(address, count, now_ns)}
        accounts = {who for who, count in by_account.items() if count > self._room_for_orders(who, now_ns)}
        refused = {who for who in counts if who[0] in addresses or who[1] in accounts}
        for who, count in counts.items():
            if who not in refused:
                self._raw.add(who[0], count, now_ns)
                self.orders_10s.add(who[1], count, now_ns)
                self.orders_1d.add(who[1], count, now_ns)
        return refused

    def _has_room(self, address: str, requests: int, now_ns: int) -> bool:
        if self.is_banned(address, now_ns) or self.weight.is_used_up(address, now_ns):
            return False
        return self._raw.count(address, now_ns) + requests <= self._raw.limit

    def _room_for_orders(self, account_id: int, now_ns: int) -> int:
        short, day = self.orders_10s, self.orders_1d
        return min(short.limit - short.count(account_id, now_ns), day.limit - day.count(account_id, now_ns))

    def charge_some_orders(self, account_id: int, wanted: int, now_ns: int) -> int:
        """Count as many new orders of the account, of `wanted`, as it may place now; returns how many."""
        count = max(0, min(wanted, self._room_for_orders(account_id, now_ns)))
        if count:
            self.count_orders(account_id, count, now_ns)
        return count

    def charge_some_cancels(self, address: str, wanted: int, now_ns: int) -> int:
        """The same for cancels, in the budget that nothing else draws on."""
        count = max(0, min(wanted, self.cancels.limit - self.cancels.count(address, now_ns)))
        if count:
            self.cancels.add(address, count, now_ns)
        return count

    def used(self, address: str, account_id: int, now_ns: int) -> Used:
        return Used(
            self.weight.count(address, now_ns),
            self.orders_10s.count(account_id, now_ns),
            self.orders_1d.count(account_id, now_ns),
        )

    def credit_first_fills(self, fills: Iterable[tuple[int, int]], now_ns: int) -> None:
        """Orders have traded for the first time, and are not unfilled ones any more: (account, is maker) of each."""
        amounts: dict[int, int] = {}
        for account_id, is_maker in fills:
            amounts[account_id] = amounts.get(account_id, 0) + (self.limits.maker_fill_credit if is_maker else 1)
        for account_id, amount in amounts.items():
            self.orders_10s.add(account_id, -amount, now_ns)
            self.orders_1d.add(account_id, -amount, now_ns)

    def shown_limits(self) -> list[dict[str, Any]]:
        """As exchangeInfo tells them."""
        limits = self.limits
        return [
            _shown("REQUEST_WEIGHT", "MINUTE", 1, limits.request_weight_per_minute),
            _shown("ORDERS", "SECOND", 10, limits.orders_per_10_seconds),
            _shown("ORDERS", "DAY", 1, limits.orders_per_day),
            _shown("RAW_REQUESTS", "MINUTE", 5, limits.raw_requests_per_5_minutes),
        ]

    def usage(self, address: str, account_id: int, now_ns: int) -> bytes:
        """What has been used, as JSON, for the reply to one request; with an account also its orders."""
        if account_id:
            return self.usage_shown(self.used(address, account_id, now_ns))
        return b"[%b]" % (self._weight_shown % self.weight.count(address, now_ns))

    def usage_shown(self, used: Used) -> bytes:
        """The same for a reply to an order."""
        shown = self._orders_10s_shown % used.orders_10s, self._orders_1d_shown % used.orders_1d
        return b"[%b,%b,%b]" % (*shown, self._weight_shown % used.weight)

    def shown_orders(self, account_id: int, now_ns: int) -> list[dict[str, Any]]:
        short, day = self.orders_10s, self.orders_1d
        return [
            _shown("ORDERS", "SECOND", 10, short.limit) | {"count": short.count(account_id, now_ns)},
            _shown("ORDERS", "DAY", 1, day.limit) | {"count": day.count(account_id, now_ns)},
        ]

    def _too_much_weight(self, window: Window[str], now_ns: int) -> ApiError:
        return ApiError(errors.TOO_MUCH_WEIGHT, window.limit, "1 MINUTE", retry_at_ns=window.end_ns(now_ns))

    def _refuse(self, address: str, now_ns: int, refusal: ApiError) -> ApiError:
        if self._refusals.add(address, 1, now_ns) > self._refusals.limit:
            self._bans.ban(address, now_ns)
        return refusal


def _shown(kind: str, interval: str, interval_num: int, limit: int) -> dict[str, Any]:
    return {"rateLimitType": kind, "interval": interval, "intervalNum": interval_num, "limit": limit}


def _with_count(kind: str, interval: str, interval_num: int, limit: int) -> bytes:
    """The JSON of `_shown`, with a place for the count."""
    return msgspec.json.encode(_shown(kind, interval, interval_num, limit))[:-1] + b',"count":%d}'
