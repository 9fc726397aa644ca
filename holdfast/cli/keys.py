"""`holdfast key`: API keys.

A private key of type ed25519 or rsa is made here and never leaves this machine: the venue is told the public half.
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from holdfast.cli.client import Client, quoted
from holdfast.cli.console import DEFAULT_DATA, Account, Data, IdempotencyKey, fail, show

app = typer.Typer(no_args_is_help=True, help="API keys: create, list, revoke.")

RSA_BITS = 2048


class KeyType(StrEnum):
    HMAC = "hmac"
    ED25519 = "ed25519"
    RSA = "rsa"


@app.command()
def create(
    name: Account,
    key_type: Annotated[KeyType, typer.Option("--type", help="How its requests are signed.")] = KeyType.HMAC,
    public_key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="PEM of your own public key (ed25519, rsa). Without it a pair is made here."),
    ] = None,
    permissions: Annotated[str, typer.Option(help="Any of read, trade and withdraw, with commas.")] = "read,trade",
    allow_ip: Annotated[
        list[str] | None,
        typer.Option(metavar="ADDRESS", help="An address or network it may be used from; may be given several times."),
    ] = None,
    label: Annotated[str, typer.Option(help="For people; encrypted like the secret.")] = "",
    key: IdempotencyKey = "",
    data: Data = DEFAULT_DATA,
) -> None:
    """Create an API key and print it with its secret, which is not shown again.

    secretKey is the HMAC secret, or the new private key as PEM; null when --public-key was given. Withdrawing needs
    --allow-ip. Example: [bold]holdfast key create alice --type ed25519[/bold]
    """
    private, public = _pair(key_type, public_key)
    wish = {
        "type": key_type.value,
        "permissions": [permission.strip() for permission in permissions.split(",")],
        "publicKey": public,
        "allowIps": [address for text in allow_ip or [] for address in text.split(",")],
        "label": label,
    }
    made = Client(data).post(f"/accounts/{quoted(name)}/keys", wish, key)
    show({"apiKey": made["apiKey"], "secretKey": private or made["secretKey"]})


@app.command("list")
def list_all(name: Account, data: Data = DEFAULT_DATA) -> None:
    """List an account's keys, revoked ones too, without secrets."""
    show(Client(data).get(f"/accounts/{quoted(name)}/keys")["keys"])


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(help="The key's id, or the apiKey itself.")], data: Data = DEFAULT_DATA
) -> None:
    """Revoke a key for good, at once."""
    show(Client(data).delete(f"/keys/{quoted(key)}"))


def _pair(key_type: KeyType, public_key: Path | None) -> tuple[str, str]:
    """A new private key and the public one as PEM texts; only the public one when it was given."""
    if public_key is not None:
        try:
            return "", public_key.read_text("ascii")
        except (OSError, UnicodeDecodeError) as error:
            fail(f"The public key {public_key} cannot be read: {error}.")
    if key_type == KeyType.HMAC:
        return "", ""

    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    private = Ed25519PrivateKey.generate() if key_type == KeyType.ED25519 else generate_private_key(65537, RSA_BITS)
    secret = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    return secret, public
