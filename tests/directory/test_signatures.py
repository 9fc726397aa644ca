"""A key verifies what its owner signed and nothing else: this is the lock on every account."""

import base64
import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from holdfast.codes import KeyPermission, KeyType
from holdfast.directory.keys import Key, parse_public_key

PAYLOAD = b"symbol=BTCUSDT&side=BUY&timestamp=1"
ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
RSA = rsa.generate_private_key(65537, 2048)


def pem(private: ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> str:
    return private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def key(key_type: KeyType, material: str, allow_ips: tuple[str, ...] = ()) -> Key:
    return Key(1, 1, "A" * 64, key_type, KeyPermission.READ | KeyPermission.TRADE, allow_ips, "", material)


def test_hmac_signature_is_accepted_in_either_case() -> None:
    signature = hmac.new(b"secret", PAYLOAD, hashlib.sha256).hexdigest()
    assert key(KeyType.HMAC, "secret").verify(PAYLOAD, signature)
    assert key(KeyType.HMAC, "secret").verify(PAYLOAD, signature.upper())


@given(st.text("abcXYZ019", min_size=1, max_size=200), st.binary(max_size=300))
def test_hmac_signature_is_the_standard_one_for_secrets_and_payloads_of_any_length(secret: str, payload: bytes) -> None:
    signed = key(KeyType.HMAC, secret)
    for _ in range(2):  # The second must not see what the first has hashed.
        assert signed.verify(payload, hmac.new(secret.encode(), payload, hashlib.sha256).hexdigest())


def test_hmac_signature_of_another_payload_or_secret_is_refused() -> None:
    signature = hmac.new(b"secret", PAYLOAD, hashlib.sha256).hexdigest()
    assert not key(KeyType.HMAC, "secret").verify(PAYLOAD + b"0", signature)
    assert not key(KeyType.HMAC, "other").verify(PAYLOAD, signature)
    assert not key(KeyType.HMAC, "secret").verify(PAYLOAD, signature[:-1])


def test_ed25519_signature_is_base64_over_the_payload() -> None:
    signature = base64.b64encode(ED25519.sign(PAYLOAD)).decode()
    assert key(KeyType.ED25519, pem(ED25519)).verify(PAYLOAD, signature)
    assert not key(KeyType.ED25519, pem(ED25519)).verify(PAYLOAD + b"0", signature)


def test_rsa_signature_is_base64_pkcs1_sha256() -> None:
    signature = base64.b64encode(RSA.sign(PAYLOAD, padding.PKCS1v15(), SHA256())).decode()
    assert key(KeyType.RSA, pem(RSA)).verify(PAYLOAD, signature)
    assert not key(KeyType.RSA, pem(RSA)).verify(PAYLOAD[:-1], signature)


@pytest.mark.parametrize(
    ("key_type", "material"), [(KeyType.HMAC, "s"), (KeyType.ED25519, pem(ED25519)), (KeyType.RSA, pem(RSA))]
)
@given(signature=st.text(st.characters(), max_size=100))
def test_no_text_at_all_breaks_a_check(key_type: KeyType, material: str, signature: str) -> None:
    assert not key(key_type, material).verify(PAYLOAD, signature)


def test_revoked_key_signs_nothing() -> None:
    revoked = key(KeyType.HMAC, "secret")
    revoked.revoked = True
    assert not revoked.verify(PAYLOAD, hmac.new(b"secret", PAYLOAD, hashlib.sha256).hexdigest())


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("203.0.113.7", True),
        ("203.0.113.8", False),
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("2001:db8::1", True),
        ("2001:db9::1", False),
        ("not an address", False),
    ],
)
def test_address_list_holds_addresses_and_networks(address: str, allowed: bool) -> None:
    limited = key(KeyType.HMAC, "s", ("203.0.113.7", "10.0.0.0/8", "2001:db8::/32"))
    assert limited.allows_ip(address) is allowed
    assert limited.allows_ip(address) is allowed  # As remembered.


def test_key_without_a_list_may_be_used_from_anywhere() -> None:
    assert key(KeyType.HMAC, "s").allows_ip("203.0.113.7")


@pytest.mark.parametrize(
    ("key_type", "text"),
    [
        (KeyType.ED25519, pem(RSA)),
        (KeyType.RSA, pem(ED25519)),
        (KeyType.RSA, pem(rsa.generate_private_key(65537, 1024))),
        (KeyType.ED25519, "-----BEGIN PUBLIC KEY-----\nnonsense\n-----END PUBLIC KEY-----"),
        (KeyType.ED25519, "é"),
    ],
)
def test_public_key_of_another_type_or_size_is_refused_with_a_sentence(key_type: KeyType, text: str) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        parse_public_key(key_type, text)


def test_printing_a_key_shows_no_secret() -> None:
    assert "hush" not in repr(key(KeyType.HMAC, "hush"))
    assert "A" * 64 not in repr(key(KeyType.HMAC, "hush"))
