"""Authentication: whose request this is, whether it is fresh, and until when it may be executed.

request → AUTHENTICATION (key → time → signature → permission) → endpoint → command with key and deadline → engine

The time is judged three times: here when the request is read, by `Authorization.check_time` just before its command is
appended, and by the engine against the journal's clock. The engine also judges the key again, so that a revocation
holds from its place in the journal on.
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol
from urllib.parse import urlencode

from holdfast.codes import KeyPermission, KeyType
from holdfast.config import RECV_WINDOW_MS_DEFAULT, RECV_WINDOW_MS_MAX
from holdfast.gateway.binance import errors
from holdfast.gateway.binance.errors import ApiError
from holdfast.gateway.binance.parameters import DECIMAL_RANGE, Pairs, timestamp_ns, unquote
from holdfast.instruments import NotDecimalError, TooPreciseError, parse_decimal

AHEAD_NS_MAX = 1_000_000_000
RECV_WINDOW_DECIMALS = 3
_api_key = re.compile("[a-zA-Z0-9]{64}", re.ASCII)


class Key(Protocol):
    """One API key of the directory."""

    key_id: int
    account_id: int
    api_key: str
    key_type: KeyType
    revoked: bool

    def verify(self, payload: bytes, signature: str) -> bool: ...
    def may(self, permission: KeyPermission) -> bool: ...
    def allows_ip(self, peer_ip: str) -> bool: ...


class KeyTable(Protocol):
    """What of the directory is needed here."""

    def key(self, api_key: str) -> Key | None: ...


class Authorization(NamedTuple):
    """A key that signed, and when the request was made."""

    key: Key
    timestamp_ns: int
    window_ns: int

    @property
    def deadline_ts_ns(self) -> int:
        return self.timestamp_ns + self.window_ns

    def check_time(self, now_ns: int) -> None:
        """Raise when the request has become too old."""
        if now_ns > self.deadline_ts_ns:
            raise ApiError(errors.TIMESTAMP_TOO_OLD)


def find_key(keys: KeyTable, api_key: str, peer_ip: str) -> Key:
    """The valid key of that name that this address may use."""
    key = keys.key(api_key)
    if key is None:
        is_malformed = _api_key.fullmatch(api_key) is None
        raise ApiError(errors.BAD_API_KEY_FORMAT if is_malformed else errors.REJECTED_API_KEY)
    check_key(key, peer_ip)
    return key


def check_key(key: Key, peer_ip: str) -> None:
    if key.revoked or not key.allows_ip(peer_ip):
        raise ApiError(errors.REJECTED_API_KEY)


def check_permission(key: Key, permission: KeyPermission) -> None:
    if not key.may(permission):
        raise ApiError(errors.REJECTED_API_KEY)


def authorize(
    key: Key, permission: KeyPermission | None, pairs: Pairs, now_ns: int, is_signed: Callable[[Key, str], bool]
) -> Authorization:
    """Check time, signature and permission (None: any) of a request that names `key`.

    `is_signed(key, signature)` says whether the signature covers the request. It comes after the time, which is cheap.
    """
    authorization = Authorization(key, *fresh_time(pairs, now_ns))
    signature = pairs.get("signature")
    if not signature:
        raise ApiError(errors.MANDATORY_PARAMETER, "signature")
    if not is_signed(key, signature.replace(" ", "+")):  # A plus sign of base64 that nobody escaped.
        raise ApiError(errors.INVALID_SIGNATURE)
    if permission is not None:
        check_permission(key, permission)
    return authorization


def fresh_time(pairs: Pairs, now_ns: int) -> tuple[int, int]:
    """The request's timestamp and window in nanoseconds; raises when it is not fresh."""
    text = pairs.get("timestamp")
    if not text:
        raise ApiError(errors.MANDATORY_PARAMETER, "timestamp")
    made_ns = timestamp_ns("timestamp", text)
    window_text = pairs.get("recvWindow")
    window_ns = RECV_WINDOW_MS_DEFAULT * 1_000_000 if window_text is None else receive_window_ns(window_text)
    if made_ns >= now_ns + AHEAD_NS_MAX:
        raise ApiError(errors.TIMESTAMP_AHEAD)
    if now_ns - made_ns > window_ns:
        raise ApiError(errors.TIMESTAMP_TOO_OLD)
    return made_ns, window_ns


def receive_window_ns(text: str) -> int:
    """`recvWindow`, milliseconds with up to three decimals, in nanoseconds."""
    if not text:
        raise ApiError(errors.PARAMETER_EMPTY, "recvWindow")
    try:
        microseconds = parse_decimal(text, RECV_WINDOW_DECIMALS)
    except NotDecimalError:
        raise ApiError(errors.ILLEGAL_CHARS_IN, "recvWindow", DECIMAL_RANGE) from None
    except TooPreciseError:
        raise ApiError(errors.BAD_PRECISION, "recvWindow") from None
    if microseconds > RECV_WINDOW_MS_MAX * 1_000:
        raise ApiError(errors.PARAMETER_TOO_GREAT, "recvWindow", RECV_WINDOW_MS_MAX)
    return microseconds * 1_000


# REST: the signature covers the query and the body as they were sent, without the signature itself.


def is_rest_signed(query: str, body: str) -> Callable[[Key, str], bool]:
    """The check of a REST request's signature; both texts as sent, Latin-1.

    Some clients sign their values before they encode them, so where the raw text fails the decoded one is tried too.
    """

    def check(key: Key, signature: str) -> bool:
        signed_query, signed_body = without_signature(query), without_signature(body) if body else ""
        raw = signed_query + signed_body
        if key.verify(raw.encode("latin-1", "replace"), signature):
            return True
        decoded = decoded_payload(signed_query, signed_body)
        return decoded is not None and key.verify(decoded, signature)

    return check


def without_signature(text: str) -> str:
    """`text` without its `signature=…`, and without the separator before it (after it, when it comes first)."""
    start = text.rfind("&signature=")
    if start >= 0 and text.find("&", start + 1) < 0:
        return text[:start]  # Every client seen puts it last.
    if "signature=" not in text:
        return text
    return "&".join([piece for piece in text.split("&") if not piece.startswith("signature=")])


def decoded_payload(query: str, body: str) -> bytes | None:
    """Query and body with their escapes decoded; None when that changes nothing, or reads as other parameters.

    A decoded "&" or "=" could turn one signed request into another, so the text must still split into the same pairs.
    """
    decoded = [_decoded(text) for text in (query, body)]
    if decoded == [query, body] or None in decoded:
        return None
    return "".join(text for text in decoded if text).encode("utf-8", "replace")


def _decoded(text: str) -> str | None:
    pieces = text.split("&")
    decoded = unquote(text)
    as_read = [tuple(unquote(part) for part in piece.partition("=")) for piece in pieces]
    as_decoded = [piece.partition("=") for piece in decoded.split("&")]
    return decoded if as_read == as_decoded else None


# WebSocket API: the signature covers the parameters sorted by name.


def is_websocket_signed(pairs: Mapping[str, str]) -> Callable[[Key, str], bool]:
    """The check of a WebSocket API request's signature: over the plain text as documented, or percent-encoded."""

    def check(key: Key, signature: str) -> bool:
        sorted_pairs = [(name, pairs[name]) for name in sorted(pairs) if name != "signature"]
        plain = "&".join([f"{name}={value}" for name, value in sorted_pairs])
        if key.verify(plain.encode("utf-8", "replace"), signature):
            return True
        encoded = urlencode(sorted_pairs, errors="replace")
        return encoded != plain and key.verify(encoded.encode(), signature)

    return check
