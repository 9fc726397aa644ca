"""Issuing: a new API key, as the group of records that creates it.

operator → ISSUING → CREATE_KEY + PAYLOAD (journal) → directory

Everything about a key that is anybody's business only in part (its secret, its api key, which alone opens a user
stream, the addresses it may come from, its label) is one sealed document. It is bound to what its command says in the
clear, so it cannot be moved to another account or be given other permissions.
"""

import secrets
import string
import struct
from collections.abc import Sequence
from ipaddress import ip_network

import msgspec

from holdfast.codes import CommandKind, KeyPermission, KeyType
from holdfast.commands import Command, encode_with_payload
from holdfast.directory.keys import parse_public_key
from holdfast.directory.master_key import MasterKeys

API_KEY_CHARACTERS = 64
ALLOW_IPS_MAX = 30
LABEL_CHARACTERS_MAX = 64
_alphabet = string.ascii_letters + string.digits


class KeyDocument(msgspec.Struct):
    """What is sealed about a key."""

    api_key: str
    material: str  # The HMAC secret, or the public key as PEM.
    allow_ips: list[str]
    label: str


def key_record(
    master: MasterKeys,
    account_id: int,
    key_type: KeyType,
    permissions: int,
    idempotency_key: str,
    public_key: str = "",
    allow_ips: Sequence[str] = (),
    label: str = "",
) -> bytes:
    """The group that creates a key with a random api key (and secret, for HMAC). Append it before anything else
    happens.

    Raises ValueError with a sentence for people when the key cannot be.
    """
    document = KeyDocument(_random_text(), _material(key_type, public_key), _networks(allow_ips), label)
    if not permissions & KeyPermission.READ:
        raise ValueError("A key needs the permission read.")
    if permissions & KeyPermission.WITHDRAW and not document.allow_ips:
        raise ValueError("A key that may withdraw needs a list of addresses that it may be used from.")
    if len(label) > LABEL_CHARACTERS_MAX:
        raise ValueError(f"A label has at most {LABEL_CHARACTERS_MAX} characters.")
    command = Command(
        kind=CommandKind.CREATE_KEY,
        account_id=account_id,
        qty_lots=permissions,
        order_id=key_type,
        client_id=idempotency_key.encode("ascii"),
    )
    return encode_with_payload(command, master.seal(msgspec.json.encode(document), context(command)))


def context(command: Command) -> bytes:
    """What a key's document is bound to: the command that creates it."""
    return struct.pack("<4sqqq", b"key1", command.account_id, command.order_id, command.qty_lots) + command.client_id


def _random_text() -> str:
    return "".join(secrets.choice(_alphabet) for _ in range(API_KEY_CHARACTERS))


def _material(key_type: KeyType, public_key: str) -> str:
    if key_type == KeyType.HMAC:
        if public_key:
            raise ValueError("An HMAC key has no public key: its secret is made here.")
        return _random_text()
    if not public_key:
        raise ValueError(f"A key of type {key_type.name} needs its public key.")
    parse_public_key(key_type, public_key)
    return public_key


def _networks(allow_ips: Sequence[str]) -> list[str]:
    if len(allow_ips) > ALLOW_IPS_MAX:
        raise ValueError(f"A key's list has at most {ALLOW_IPS_MAX} addresses.")
    try:
        return [str(ip_network(text)) for text in allow_ips]
    except ValueError as error:
        raise ValueError(f"{error}; write an address or a network, as 203.0.113.7 or 203.0.113.0/24.") from error
