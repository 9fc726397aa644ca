"""Draws: orders and order lists at random, as a client writes their parameters.

chance → DRAWS → traders

Prices lie within 100 of 40,000, so that orders of all accounts meet, stop prices are reached, and the market moves by
more than the least that a stop may trail.
"""

from decimal import Decimal
from random import Random
from typing import NamedTuple

from tests.crash.records import SCOPES, SYMBOL

MIDDLE = Decimal(40_000)
STEP = Decimal(5)
STEPS = 20  # Each way.
LIST_KINDS = ("oco", "oto", "otoco", "opo", "opoco")
PRICES = [MIDDLE + STEP * step for step in range(-STEPS, STEPS + 1)]
_STOP_TYPES = ["STOP_LOSS", "STOP_LOSS_LIMIT", "TAKE_PROFIT", "TAKE_PROFIT_LIMIT"]
_OPPOSITE = {"BUY": "SELL", "SELL": "BUY"}


def order_terms(chance: Random) -> dict[str, str]:
    """A limit order; of five one waits for a price, which those of others then reach, or trails it, one shows a part,
    and of ten one takes its price from the book."""
    size = chance.randint(1, 50)
    terms = {
        "symbol": SYMBOL,
        "side": chance.choice(["BUY", "SELL"]),
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": _quantity(size),
        "price": _price(chance),
        "newOrderRespType": "FULL",
    }
    if chance.random() < 0.2:
        terms |= {"type": chance.choice(_STOP_TYPES)} | _trigger(chance)
        if not terms["type"].endswith("LIMIT"):
            del terms["price"], terms["timeInForce"]
    if "price" in terms and chance.random() < 0.2:
        terms["icebergQty"] = _quantity(max(1, size // 4))
    if "price" in terms and chance.random() < 0.1:
        terms["pegPriceType"] = chance.choice(["PRIMARY_PEG", "MARKET_PEG"])
        del terms["price"]
    return terms


def _trigger(chance: Random) -> dict[str, str]:
    """A stop price, a distance to trail by, or both."""
    choice = chance.choice(["stop", "stop", "trail", "both"])
    stop = {"stopPrice": _price(chance)} if choice != "trail" else {}
    return stop | ({"trailingDelta": str(chance.randint(10, 15))} if choice != "stop" else {})


class Leg(NamedTuple):
    """An order of a list. `terms` are its own parameters, without the prefix."""

    prefix: str
    side: str
    quantity: str
    terms: dict[str, str]


class ListTerms(NamedTuple):
    """A new order list; `shared` are the parameters that are of no leg alone."""

    kind: str
    shared: dict[str, str]
    legs: list[Leg]

    def parameters(self) -> dict[str, str]:
        own = {leg.prefix + name[0].upper() + name[1:]: value for leg in self.legs for name, value in leg.terms.items()}
        return {"symbol": SYMBOL, "newOrderRespType": "FULL", **self.shared, **own}


def list_terms(chance: Random) -> ListTerms:
    """A pair, an order with one that waits for it, or with a pair that does; what waits may sell what was bought."""
    kind = chance.choice(LIST_KINDS)
    is_selling_bought = kind in ("opo", "opoco")
    side = "BUY" if is_selling_bought else chance.choice(["BUY", "SELL"])
    quantity = _quantity(chance.randint(2, 20))
    if kind == "oco":
        return ListTerms(kind, {"side": side, "quantity": quantity}, _pair(chance, side, quantity, "above", "below"))
    other = _OPPOSITE[side]
    shared = {"workingSide": side, "workingQuantity": quantity, "pendingSide": other}
    working = Leg("working", side, quantity, _limit(chance))
    if is_selling_bought:
        quantity = "0"  # Until it is known what was bought.
    else:
        shared["pendingQuantity"] = quantity
    if kind in ("oto", "opo"):
        return ListTerms(kind, shared, [working, Leg("pending", other, quantity, _pending(chance))])
    return ListTerms(kind, shared, [working, *_pair(chance, other, quantity, "pendingAbove", "pendingBelow")])


def countdown_terms(chance: Random, but: str | None) -> tuple[str, int]:
    """A dead man's timer: of which scope, but for one, and to how many milliseconds. Most run out within a round or
    during a start unless they are renewed; some never do, and some are stopped."""
    symbol = chance.choice([each for each in SCOPES if each != but])
    return symbol, chance.choice(
        [0, *[chance.randint(100, 800) for _ in range(4)], 86_400_000 + chance.randint(0, 999)]
    )


def _limit(chance: Random) -> dict[str, str]:
    return {"type": "LIMIT", "timeInForce": "GTC", "price": _price(chance)}


def _pending(chance: Random) -> dict[str, str]:
    choice = chance.choice(["LIMIT", "MARKET", "STOP_LOSS_LIMIT"])
    if choice == "MARKET":
        return {"type": "MARKET"}
    return _limit(chance) if choice == "LIMIT" else _limit(chance) | {"type": choice, "stopPrice": _price(chance)}


def _pair(chance: Random, side: str, quantity: str, above: str, below: str) -> list[Leg]:
    """One order takes a profit, the other one stops a loss; a sell's profit is above, a buy's below."""
    high = str(MIDDLE + STEP * chance.randint(1, STEPS))
    low = str(MIDDLE - STEP * chance.randint(1, STEPS))
    profit_at, loss_at = (high, low) if side == "SELL" else (low, high)
    profit = chance.choice(
        [
            {"type": "LIMIT_MAKER", "price": profit_at},
            {"type": "TAKE_PROFIT", "stopPrice": profit_at},
            _limit(chance) | {"type": "TAKE_PROFIT_LIMIT", "price": profit_at, "stopPrice": profit_at},
        ]
    )
    loss = chance.choice(
        [
            {"type": "STOP_LOSS", "stopPrice": loss_at},
            _limit(chance) | {"type": "STOP_LOSS_LIMIT", "stopPrice": loss_at},
        ]
    )
    upper, lower = (profit, loss) if side == "SELL" else (loss, profit)
    return [Leg(above, side, quantity, upper), Leg(below, side, quantity, lower)]


def _quantity(ten_thousandths: int) -> str:
    return f"{ten_thousandths / 10_000:.4f}"


def _price(chance: Random) -> str:
    return str(chance.choice(PRICES))
