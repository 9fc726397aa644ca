"""Sign-on: whose connection this is, judged once; from then on the connection itself is the proof.

challenge (32 random bytes) → client signs it and its own request with Ed25519 → SIGN-ON → session

The engine judges the key again with every command, so a revocation holds from its place in the journal on, whatever
the session believes.
"""

import base64
from typing import NamedTuple

import numpy as np

from holdfast.codes import KeyPermission, KeyType
from holdfast.gateway.binance.authentication import Key, KeyTable
from holdfast.gateway.line.feeds import FeedName, Position
from holdfast.gateway.line.numbers import SessionName
from holdfast.line import VERSION, ClientKind, SignOnFlag, sign_on_dtype, signed_payload


class RefusedError(Exception):
    """The sign-on is refused; the text is a sentence for the client."""


class SignOn(NamedTuple):
    """A sign-on that was granted."""

    key: Key
    session: int
    flags: int
    position: Position

    @property
    def name(self) -> SessionName:
        return SessionName(self.key.key_id, self.session)

    @property
    def is_drop_copy(self) -> bool:
        return bool(self.flags & SignOnFlag.DROP_COPY)

    @property
    def cancels_on_disconnect(self) -> bool:
        return bool(self.flags & SignOnFlag.CANCEL_ON_DISCONNECT)

    @property
    def feed(self) -> FeedName:
        return FeedName(self.key.account_id, bool(self.flags & SignOnFlag.SUB_ACCOUNTS))


# One text for all that is wrong with a key, so that nobody learns which keys there are.
_REJECTED = "The API key, its permissions, this address or the signature is not right."


def judge(record: bytes, nonce: bytes, keys: KeyTable, peer_ip: str) -> SignOn:
    """The sign-on in `record`, the answer to the challenge `nonce`. Raises RefusedError."""
    (row,) = np.frombuffer(record, sign_on_dtype)
    if row["kind"] != ClientKind.SIGN_ON:
        raise RefusedError("The first record is the sign-on.")
    if row["version"] != VERSION:
        raise RefusedError(f"The version of the line is {VERSION}.")
    flags = int(row["flags"])
    if flags & ~sum(SignOnFlag) or not _go_together(flags):
        raise RefusedError("The flags do not go together, or mean nothing.")
    key = keys.key(bytes(row["api_key"]).decode("ascii", "replace"))
    needed = KeyPermission.READ if flags & SignOnFlag.DROP_COPY else KeyPermission.TRADE
    if key is None or key.revoked or not key.may(needed) or not key.allows_ip(peer_ip):
        raise RefusedError(_REJECTED)
    if key.key_type != KeyType.ED25519:
        raise RefusedError("The line takes Ed25519 keys only.")
    signature = base64.b64encode(row["signature"].tobytes()).decode()
    if not key.verify(signed_payload(nonce, record), signature):
        raise RefusedError(_REJECTED)
    return SignOn(key, int(row["session"]), flags, Position(int(row["seq"]), int(row["index"])))


def _go_together(flags: int) -> bool:
    is_drop_copy = bool(flags & SignOnFlag.DROP_COPY)
    return not flags & (SignOnFlag.CANCEL_ON_DISCONNECT if is_drop_copy else SignOnFlag.SUB_ACCOUNTS)
