"""Texts: names, amounts and times of the operators' interface to and from what the venue keeps."""

from datetime import UTC, datetime

from holdfast.gateway.operator.problems import ProblemError
from holdfast.gateway.operator.services import Services
from holdfast.instruments import Asset, Instrument, NotDecimalError, TooPreciseError

ID_DIGITS_MAX = 9


def time_text(ts_ns: int) -> str:
    """Event time as text: 2026-01-31T12:00:00.000000000Z."""
    seconds, ns = divmod(ts_ns, 10**9)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{ns:09d}Z"


def number_of(text: str, what: str) -> int:
    """A number in a path; 404 when it is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise ProblemError(404, f"There is no such {what}.", f"A {what} is named by its number.")
    return int(text)


def account_of(services: Services, reference: str) -> int:
    """The id of the account that a name or an id means; 404 when there is none."""
    if reference.isascii() and reference.isdigit():
        account_id = int(reference) if len(reference) <= ID_DIGITS_MAX else 0
        known = services.directory.account(account_id) is not None
    else:
        account_id = services.directory.account_of_name(reference) or 0
        known = account_id != 0
    if not known:
        raise ProblemError(404, "There is no such account.", "Give the account's name or its id; list the accounts.")
    return account_id


def asset_of(services: Services, code: str) -> Asset:
    asset = services.replica.reference.asset_by_code.get(code)
    if asset is None:
        raise ProblemError(404, f"There is no asset {code}.", "List the assets.")
    return asset


def instrument_of(services: Services, symbol: str) -> Instrument:
    instrument = services.replica.reference.by_symbol.get(symbol)
    if instrument is None:
        raise ProblemError(404, f"There is no instrument {symbol}.", "List the instruments.")
    return instrument


def amount_of(asset: Asset, text: str) -> int:
    """An amount above zero in the asset's units."""
    try:
        units = asset.parse(text)
    except TooPreciseError:
        raise ProblemError(
            409, f"{asset.code} has {asset.decimals} decimals; {text} has more.", "Round the amount."
        ) from None
    except NotDecimalError:
        raise ProblemError(400, f"{text} is not a decimal number.", "Write it as 0.015.") from None
    if not 0 < units < 2**63:
        raise ProblemError(409, "The amount must be more than zero, and countable.", "Give another amount.")
    return units
