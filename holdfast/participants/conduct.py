"""How participants behave towards the venue: they wait when refused, spend commands sparingly, and know their funds."""

import random
from collections.abc import Mapping

from holdfast.participants.session import Reply, TraderSession

_PAUSE_S_MIN = 1.0
_PAUSE_S_MAX = 30.0
_REFUSALS_BORNE = 3  # One refusal is the market's; some in a row are the venue's mood.
_WALLET_INTERVAL_NS = 5 * 10**9
_ANSWER_OVERDUE_NS = 10 * 10**9
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Backoff:
    """Pauses, twice as long each time, while the venue refuses; after each pause one command probes."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._pause_s = 0.0
        self._until_ns = 0
        self._refusals = 0

    def is_ready(self, now_ns: int) -> bool:
        return now_ns >= self._until_ns

    @property
    def is_probing(self) -> bool:
        """Whether the next command only tries if the venue is itself again."""
        return self._pause_s > 0

    def note(self, reply: Reply, now_ns: int) -> None:
        if reply.is_ok:
            self._pause_s, self._refusals = 0.0, 0
            return
        if reply.is_would_take:
            return
        self._refusals += 1
        if reply.is_trouble or self.is_probing or self._refusals >= _REFUSALS_BORNE:
            self._pause_s = min(max(2 * self._pause_s, _PAUSE_S_MIN), _PAUSE_S_MAX)
            self._until_ns = now_ns + round(self._pause_s * self._rng.uniform(0.8, 1.2) * 1e9)


class Budget:
    """Commands that may be sent: so many a second, with some saved for when they are needed at once."""

    def __init__(self, per_s: float, saved_max: float) -> None:
        self._per_s = per_s
        self._saved_max = saved_max
        self._saved = saved_max
        self._last_ns = 0

    def step(self, now_ns: int) -> None:
        if self._last_ns:
            self._saved = min(self._saved + (now_ns - self._last_ns) / 1e9 * self._per_s, self._saved_max)
        self._last_ns = now_ns

    def spend(self) -> bool:
        if self._saved < 1:
            return False
        self._saved -= 1
        return True


class ClientIds:
    """Client order ids that no other run or participant uses: a prefix, the run's start and a count."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._run = ""
        self._count = 0

    def next(self, now_ns: int) -> str:
        if not self._run:
            self._run = _base36(now_ns // 1_000_000)
        self._count += 1
        return f"{self._prefix}-{self._run}-{_base36(self._count)}"


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
    return digits


class Wallet:
    """An account's funds as last asked for, beside what it was given to trade with."""

    def __init__(self, session: TraderSession, targets: Mapping[str, float]) -> None:
        self._session = session
        self._targets = targets
        self._free: dict[str, float] = {}
        self._total: dict[str, float] = {}
        self._asked_ns = 0
        self._is_asking = False

    def step(self, now_ns: int) -> None:
        """Ask again now and then; an answer that never came is not waited for for ever."""
        wait_ns = _ANSWER_OVERDUE_NS if self._is_asking else _WALLET_INTERVAL_NS
        if self._asked_ns and now_ns < self._asked_ns + wait_ns:
            return
        self._asked_ns = now_ns
        self._is_asking = True
        self._session.account(self._on_account)

    def _on_account(self, reply: Reply) -> None:
        self._is_asking = False
        if not reply.is_ok:
            return
        for balance in reply.body["balances"]:
            free = float(balance["free"])
            self._free[balance["asset"]] = free
            self._total[balance["asset"]] = free + float(balance["locked"])

    def free(self, asset: str) -> float:
        return self._free.get(asset, 0.0)

    def surplus(self, asset: str) -> float:
        """How much more it has than it was given."""
        return self._total[asset] - self._targets[asset] if asset in self._total else 0.0

    def surplus_share(self, asset: str) -> float:
        """The same as a share of what it was given."""
        return self.surplus(asset) / self._targets[asset]
