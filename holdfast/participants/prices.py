"""Reference prices: what the demo's assets are "worth", which makers quote around and informed takers know.

Each asset's logarithm moves by a share of a common factor and its own noise, both under a volatility that itself rises
and falls; news makes it jump; and a weak pull keeps it, over days, within sight of where it began. A market's reference
is the ratio of its two assets', so ETH/BTC agrees with ETH/USDT and BTC/USDT.
"""

import math
import random
from collections.abc import Mapping
from typing import NamedTuple

_PULL_PER_S = 1 / (2 * 24 * 3600)
_CALM_PER_S = 1 / 600  # The volatility's way back to normal.
_CALM_NOISE = 0.04  # And its own noise, per square root of a second.
_COMMON_SIGMA = 0.3e-4  # Per square root of a second.
_STEP_S_MAX = 5.0  # A longer pause of the process is no time for prices.


class Asset(NamedTuple):
    """What it is worth in the quote currency at the first start, and how it moves."""

    price: float
    beta: float  # Share of the common factor.
    sigma: float  # Own noise per square root of a second.
    jump_interval_s: float  # Mean time between news.
    jump_sigma: float


ASSETS: dict[str, Asset] = {
    "BTC": Asset(64_000.0, 1.0, 0.25e-4, 400.0, 12e-4),
    "ETH": Asset(3_200.0, 1.1, 0.35e-4, 350.0, 14e-4),
    "SOL": Asset(150.0, 1.2, 0.5e-4, 300.0, 18e-4),
}
_JUMP_MAX = 40e-4


class ReferencePrices:
    """The process of all assets; everything not in `ASSETS` (the quote currency) is worth 1.

    `begin` names prices to begin at instead, so that a restarted market goes on where it was.
    """

    def __init__(self, rng: random.Random, begin: Mapping[str, float] | None = None) -> None:
        self._rng = rng
        self._home = {code: math.log(asset.price) for code, asset in ASSETS.items()}
        self._log_price = dict(self._home)
        for code, price in (begin or {}).items():
            self._log_price[code] = math.log(price)
        self._log_volatility = 0.0
        self._last_ns = 0

    def price(self, base: str, quote: str) -> float:
        return math.exp(self._log_price.get(base, 0.0) - self._log_price.get(quote, 0.0))

    @property
    def volatility(self) -> float:
        """Relative to normal, which is 1."""
        return math.exp(self._log_volatility)

    def step(self, now_ns: int) -> None:
        """Move on to `now_ns`."""
        elapsed_s = min((now_ns - self._last_ns) / 1e9, _STEP_S_MAX) if self._last_ns else 0.0
        self._last_ns = now_ns
        if elapsed_s <= 0:
            return
        rng, root = self._rng, math.sqrt(elapsed_s)
        self._log_volatility += -self._log_volatility * _CALM_PER_S * elapsed_s + rng.gauss(0, _CALM_NOISE) * root
        self._log_volatility = max(-0.7, min(self._log_volatility, 0.7))
        scale = self.volatility * root
        common = rng.gauss(0, _COMMON_SIGMA) * scale
        for code, asset in ASSETS.items():
            move = asset.beta * common + rng.gauss(0, asset.sigma) * scale
            if rng.random() < elapsed_s / asset.jump_interval_s:
                move += max(-_JUMP_MAX, min(rng.gauss(0, asset.jump_sigma), _JUMP_MAX))
                self._log_volatility = min(self._log_volatility + 0.3, 0.7)
            pull = (self._home[code] - self._log_price[code]) * _PULL_PER_S * elapsed_s
            self._log_price[code] += move + pull
