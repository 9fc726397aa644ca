"""Parameters: from the text of a request to checked values, by one table per endpoint.

raw query and body, or JSON → pairs (name → text) → VALUES (name → str, int, bool, enum)

Every endpoint declares its parameters once; what is unknown, missing, empty, malformed, too great, too precise or sent
twice is refused here with Binance's code and text, and nothing is silently ignored.
"""

import re
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote_plus

import msgspec

from holdfast.gateway.binance import errors
from holdfast.gateway.binance.errors import ApiError, Error
from holdfast.instruments import NotDecimalError, TooPreciseError, parse_decimal

Pairs = dict[str, str]
Values = dict[str, Any]
Convert = Callable[[str, str], Any]  # (name, text) → value; raises ApiError.

PARAMETERS_MAX = 64
INT64_MAX = 2**63 - 1
SYMBOLS_MAX = 1_000

DECIMAL_RANGE = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
LONG_RANGE = "^[0-9]{1,20}$"
SYMBOL_RANGE = "^[A-Z0-9-_.]{1,36}$"
CLIENT_ID_RANGE = "^[a-zA-Z0-9-_.:/]{1,36}$"

_symbol = re.compile(r"[A-Z0-9\-_.]{1,36}", re.ASCII)
_client_id = re.compile(r"[a-zA-Z0-9\-_.:/]{1,36}", re.ASCII)
_names = msgspec.json.Decoder(list[str])

Enumeration = TypeVar("Enumeration", bound=IntEnum)


def parse_form(text: str) -> Pairs:
    """The pairs of a query string or a form body. Pieces without a name or with one sent twice are refused."""
    pairs: Pairs = {}
    if not text:
        return pairs
    pieces = text.split("&")
    if len(pieces) > PARAMETERS_MAX:
        raise ApiError(errors.TOO_MANY_PARAMETERS, PARAMETERS_MAX, len(pieces))
    is_encoded = "%" in text or "+" in text
    for piece in pieces:
        if not piece:
            continue
        name, _, value = piece.partition("=")
        if is_encoded:
            name, value = unquote(name), unquote(value)
        if name in pairs:
            raise ApiError(errors.DUPLICATE_PARAMETER)
        pairs[name] = value
    return pairs


def unquote(text: str) -> str:
    """`text` with percent escapes and plus signs decoded; what is no UTF-8 is refused."""
    if "%" not in text and "+" not in text:
        return text
    try:
        return unquote_plus(text, errors="strict")
    except UnicodeDecodeError:
        raise ApiError(errors.ILLEGAL_CHARS) from None


def parse_query_and_body(query: str, body: str) -> Pairs:
    """The pairs of both; what is sent in both counts as the query has it."""
    if not body:
        return parse_form(query)
    if not query:
        return parse_form(body)
    return {**parse_form(body), **parse_form(query)}


class Parameter(NamedTuple):
    """One row of an endpoint's table. `convert` None: another stage judges it (the signature and its companions)."""

    name: str
    convert: Convert | None
    is_required: bool = False


class Parameters:
    """The table of one endpoint, compiled for lookup by name."""

    def __init__(self, *parameters: Parameter) -> None:
        self._convert = {parameter.name: parameter.convert for parameter in parameters}
        self._required = tuple(parameter.name for parameter in parameters if parameter.is_required)

    def names(self) -> list[str]:
        return list(self._convert)

    def convert(self, pairs: Mapping[str, str]) -> Values:
        """The values of `pairs`, each checked; raises ApiError at the first that is not as the table says."""
        values: Values = {}
        table = self._convert
        for name, text in pairs.items():
            convert = table.get(name)
            if convert is None:
                if name not in table:
                    raise self._unknown(pairs)
            elif text:
                values[name] = convert(name, text)
            else:
                raise ApiError(errors.PARAMETER_EMPTY, name)
        for name in self._required:
            if name not in values:
                raise ApiError(errors.MANDATORY_PARAMETER, name)
        return values

    def _unknown(self, pairs: Mapping[str, str]) -> ApiError:
        if not self._convert:
            return ApiError(errors.TOO_MANY_PARAMETERS, 0, len(pairs))
        read = sum(name in self._convert for name in pairs)
        return ApiError(errors.UNREAD_PARAMETERS, read, len(pairs))


class AnyParameters(Parameters):
    """Reads nothing and refuses nothing: of what is refused as a whole."""

    def convert(self, pairs: Mapping[str, str]) -> Values:  # noqa: ARG002
        return {}


# Converters.


def symbol(name: str, text: str) -> str:
    if _symbol.fullmatch(text) is None:
        raise ApiError(errors.ILLEGAL_CHARS_IN, name, SYMBOL_RANGE)
    return text


def client_id(name: str, text: str) -> str:
    if _client_id.fullmatch(text) is None:
        raise ApiError(errors.ILLEGAL_CHARS_IN, name, CLIENT_ID_RANGE)
    return text


def decimal(name: str, text: str) -> int:
    """An unsigned decimal in 1e-8, within 64 bits."""
    try:
        value = parse_decimal(text)
    except NotDecimalError:
        raise ApiError(errors.ILLEGAL_CHARS_IN, name, DECIMAL_RANGE) from None
    except TooPreciseError:
        raise ApiError(errors.BAD_PRECISION, name) from None
    if value > INT64_MAX:
        raise ApiError(errors.PARAMETER_OVERFLOW, name)
    return value


def long(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 20):
        raise ApiError(errors.ILLEGAL_CHARS_IN, name, LONG_RANGE)
    value = int(text)
    if value > INT64_MAX:
        raise ApiError(errors.PARAMETER_OVERFLOW, name)
    return value


def integer(low: int, high: int) -> Convert:
    """A whole number within bounds, both included."""

    def convert(name: str, text: str) -> int:
        value = long(name, text)
        if not low <= value <= high:
            raise ApiError(errors.INVALID_PARAMETER, name)
        return value

    return convert


def boolean(name: str, text: str) -> bool:
    lowered = text.lower()
    if lowered not in ("true", "false"):
        raise ApiError(errors.INVALID_PARAMETER, name)
    return lowered == "true"


# A time of 16 digits is in microseconds: as milliseconds it would lie in the year 33658 or later.
MICROSECONDS_FROM = 10**15


def timestamp_ns(name: str, text: str) -> int:
    """A time in milliseconds or microseconds, in nanoseconds."""
    value = long(name, text)
    ts_ns = value * 1_000 if value >= MICROSECONDS_FROM else value * 1_000_000
    if ts_ns > INT64_MAX:
        raise ApiError(errors.PARAMETER_OVERFLOW, name)
    return ts_ns


def end_ts_ns(name: str, text: str) -> int:
    """The last nanosecond of the millisecond or microsecond named."""
    unit_ns = 1_000 if len(text) >= len(str(MICROSECONDS_FROM)) else 1_000_000
    return min(timestamp_ns(name, text) + unit_ns - 1, INT64_MAX)


def choice(
    members: Mapping[str, Enumeration], error: Error | None = None, refused: Mapping[str, str] | None = None
) -> Convert:
    """One of some names. `refused` are names that Binance knows and this venue has not, with the text to answer."""

    def convert(name: str, text: str) -> Enumeration:
        member = members.get(text)
        if member is not None:
            return member
        if refused is not None and text in refused:
            raise ApiError(errors.INVALID_MESSAGE, refused[text])
        raise ApiError(error) if error is not None else ApiError(errors.INVALID_PARAMETER, name)

    return convert


def symbols(name: str, text: str) -> list[str]:
    """A JSON array of symbols, each once."""
    try:
        listed = _names.decode(text)
    except (msgspec.MsgspecError, UnicodeEncodeError):
        raise ApiError(errors.INVALID_JSON_PARAMETER, name) from None
    if not listed or len(listed) > SYMBOLS_MAX:
        raise ApiError(errors.INVALID_PARAMETER, name)
    if len(set(listed)) != len(listed):
        raise ApiError(errors.DUPLICATE_SYMBOLS)
    return [symbol(name, each) for each in listed]


def name_or_names(name: str, text: str) -> list[str]:
    """A single name, or a JSON array of names."""
    if not text.startswith("["):
        return [text]
    try:
        return _names.decode(text)
    except (msgspec.MsgspecError, UnicodeEncodeError):
        raise ApiError(errors.INVALID_JSON_PARAMETER, name) from None


# What every signed request may carry beside its own parameters; `authentication` judges it.
SIGNED = (Parameter("recvWindow", None), Parameter("timestamp", None), Parameter("signature", None))


def signed(*parameters: Parameter) -> Parameters:
    return Parameters(*parameters, *SIGNED)
