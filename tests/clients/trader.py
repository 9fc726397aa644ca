"""Accounts for the clients' scripts, and what the venue must show of them afterwards, asked by no client's code."""

from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.support.operator import Operator
from tests.support.rest import Rest
from tests.support.venue import VenueProcess

PERMISSIONS = ["read", "trade"]


class Trader(NamedTuple):
    name: str
    key: dict[str, str]  # {"apiKey": …, "secretKey": …}
    deposited: dict[str, str]  # Decimal text by asset.


def new_trader(venue: VenueProcess, name: str, **amounts: str) -> Trader:
    """An account of its own, with an HMAC key that may trade, and money."""
    operator = Operator(venue.port, venue.data)
    try:
        _told(operator, "/accounts", {"name": name}, name)
        for asset, amount in amounts.items():
            _told(operator, f"/accounts/{name}/deposits", {"asset": asset, "amount": amount}, asset)
        key = _told(operator, f"/accounts/{name}/keys", {"type": "hmac", "permissions": PERMISSIONS}, f"{name}-hmac")
    finally:
        operator.close()
    return Trader(name, {"apiKey": key["apiKey"], "secretKey": key["secretKey"]}, amounts)


def add_ed25519_key(venue: VenueProcess, trader: Trader, private_key: Path) -> dict[str, str]:
    """A second key of the account, its private half in the file; {"apiKey": …, "privateKey": path}."""
    pair = Ed25519PrivateKey.generate()
    private_key.write_bytes(pair.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public = pair.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    operator = Operator(venue.port, venue.data)
    try:
        wish = {"type": "ed25519", "permissions": PERMISSIONS, "publicKey": public}
        key = _told(operator, f"/accounts/{trader.name}/keys", wish, f"{trader.name}-ed25519")
    finally:
        operator.close()
    return {"apiKey": key["apiKey"], "privateKey": str(private_key)}


def check_settled(venue: VenueProcess, trader: Trader, symbols: dict[str, tuple[str, str]]) -> int:
    """No order is left, nothing is held, and every balance is deposits and own trades to the last unit.

    `symbols`: base and quote by symbol. Returns how many trades the account made.
    """
    rest = Rest(venue.port, trader.key)
    try:
        status, left = rest.signed("GET", "/api/v3/openOrders")
        assert (status, left) == (200, [])
        expected = {asset: Decimal(amount) for asset, amount in trader.deposited.items()}
        count = 0
        for symbol, (base, quote) in symbols.items():
            status, fills = rest.signed("GET", "/api/v3/myTrades", symbol=symbol, limit=1000)
            assert status == 200, fills
            for fill in fills:
                sign = 1 if fill["isBuyer"] else -1
                expected[base] = expected.get(base, Decimal(0)) + sign * Decimal(fill["qty"])
                expected[quote] = expected.get(quote, Decimal(0)) - sign * Decimal(fill["quoteQty"])
                expected[fill["commissionAsset"]] -= Decimal(fill["commission"])
                assert Decimal(fill["price"]) * Decimal(fill["qty"]) == Decimal(fill["quoteQty"])
            count += len(fills)
        status, account = rest.signed("GET", "/api/v3/account")
        assert status == 200, account
    finally:
        rest.close()
    held = {row["asset"]: Decimal(row["free"]) for row in account["balances"]}
    assert held == {**dict.fromkeys(held, Decimal(0)), **expected}
    assert {Decimal(row["locked"]) for row in account["balances"]} == {Decimal(0)}
    return count


def _told(operator: Operator, path: str, body: dict[str, object], key: str) -> dict[str, str]:
    status, answer = operator.call("POST", path, body, key)
    assert status < 300, answer
    told: dict[str, str] = answer
    return told
