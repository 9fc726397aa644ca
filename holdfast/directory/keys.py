"""API keys as gateways use them: whose signature, with which rights, from where.

    sealed document (journal) ──master key──▶ KEY ──verify──▶ gateway

A key is one object for as long as the process lives, so a session that holds it sees a revocation the moment it
applies. Verifying is on the path of every order: HMAC takes about 1 µs; the public keys of the other types are parsed
once.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from holdfast.codes import KeyPermission, KeyType

Network = IPv4Network | IPv6Network
Verifier = Callable[[bytes, str], bool]

RSA_BITS_MIN = 2048
RSA_BITS_MAX = 4096  # A verification's time grows with the square; 4096 bits take about 0.1 ms.
SHA256_BLOCK_BYTES = 64
_ADDRESSES_REMEMBERED = 256


class Key:
    """One API key. Everything but `revoked` is fixed for good."""

    __slots__ = ("_known", "_verifier", "account_id", "allow_ips", "api_key", "key_id", "key_type", "label",
                 "permissions", "revoked")  # fmt: skip

    def __init__(
        self,
        key_id: int,
        account_id: int,
        api_key: str,
        key_type: KeyType,
        permissions: int,
        allow_ips: Sequence[str],
        label: str,
        material: str,
        revoked: bool = False,
    ) -> None:
        """`material` is the HMAC secret or the public key as PEM."""
        self.key_id = key_id
        self.account_id = account_id
        self.api_key = api_key
        self.key_type = key_type
        self.permissions = permissions  # KeyPermission bits
        self.allow_ips = tuple(ip_network(text) for text in allow_ips)
        self.label = label
        self.revoked = revoked
        self._verifier = verifier(key_type, material)
        self._known: dict[str, bool] = {}

    def __repr__(self) -> str:
        return f"<Key {self.key_id} of account {self.account_id}>"

    def verify(self, payload: bytes, signature: str) -> bool:
        """Whether `signature` is this key's over `payload`: hexadecimal (HMAC, any case) or base64 (the others).

        A revoked key signs nothing.
        """
        return not self.revoked and self._verifier(payload, signature)

    def may(self, permission: KeyPermission) -> bool:
        return bool(self.permissions & permission)

    def allows_ip(self, peer_ip: str) -> bool:
        """Whether a request from this address may use the key. Without a list every address may."""
        if not self.allow_ips:
            return True
        known = self._known.get(peer_ip)
        if known is None:
            if len(self._known) >= _ADDRESSES_REMEMBERED:
                self._known.clear()
            known = self._known[peer_ip] = _is_in(peer_ip, self.allow_ips)
        return known


def _is_in(peer_ip: str, networks: Sequence[Network]) -> bool:
    try:
        address = ip_address(peer_ip)
    except ValueError:
        return False
    if address.version == 6 and address.ipv4_mapped is not None:
        address = address.ipv4_mapped  # How a socket that listens to both shows an IPv4 client.
    return any(address in network for network in networks)


def parse_public_key(key_type: KeyType, pem: str) -> Ed25519PublicKey | RSAPublicKey:
    """The public key of a PEM text. Raises ValueError with a sentence when it is not one of that type."""
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("The public key is not a PEM text that begins with -----BEGIN PUBLIC KEY-----.") from error
    if key_type == KeyType.ED25519 and isinstance(key, Ed25519PublicKey):
        return key
    if key_type == KeyType.RSA and isinstance(key, RSAPublicKey):
        if not RSA_BITS_MIN <= key.key_size <= RSA_BITS_MAX:
            raise ValueError(f"An RSA key has {RSA_BITS_MIN} to {RSA_BITS_MAX} bits; this one has {key.key_size}.")
        return key
    raise ValueError(f"The public key is not of type {key_type.name}.")


def verifier(key_type: KeyType, material: str) -> Verifier:
    """The check of one key's signatures. Parsing a public key waits for the first use: a start opens many keys."""
    if key_type == KeyType.HMAC:
        return _hmac_verifier(material.encode())
    check: Verifier | None = None

    def verify(payload: bytes, signature: str) -> bool:
        nonlocal check
        if check is None:
            check = _public_key_verifier(parse_public_key(key_type, material))
        return check(payload, signature)

    return verify


def _hmac_verifier(secret: bytes) -> Verifier:
    """HMAC-SHA-256 with both hashes begun once per key: a quarter of the time of `hmac.digest`, which besides gives up
    Python's lock for every signature."""
    block = (hashlib.sha256(secret).digest() if len(secret) > SHA256_BLOCK_BYTES else secret).ljust(
        SHA256_BLOCK_BYTES, b"\0"
    )
    inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
    outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))

    def verify(payload: bytes, signature: str) -> bool:
        within, whole = inner.copy(), outer.copy()
        within.update(payload)
        whole.update(within.digest())
        return hmac.compare_digest(whole.hexdigest().encode(), signature.lower().encode("utf-8", "replace"))

    return verify


def _public_key_verifier(key: Ed25519PublicKey | RSAPublicKey) -> Verifier:
    padding, digest = PKCS1v15(), SHA256()

    def verify(payload: bytes, signature: str) -> bool:
        try:
            raw = base64.b64decode(signature.encode("utf-8", "replace"), validate=True)
            if isinstance(key, RSAPublicKey):
                key.verify(raw, payload, padding, digest)
            else:
                key.verify(raw, payload)
        except (InvalidSignature, binascii.Error):
            return False
        return True

    return verify
