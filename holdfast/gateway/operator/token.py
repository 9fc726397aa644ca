"""The operator's token: whoever can read a file in the data directory is an operator.

The token is new at every start, so one in a copied data directory is worthless once the venue has been restarted.
"""

import hmac
import secrets
from pathlib import Path

from holdfast.private_file import write_private

FILE_NAME = "operator.token"


def new_token(data_directory: Path) -> str:
    """Make a token and put it where operators on this machine find it, readable by the owner alone. Raises OSError."""
    token = secrets.token_urlsafe(32)
    write_private(data_directory / FILE_NAME, token.encode() + b"\n")
    return token


def is_authorized(header: str, token: str) -> bool:
    """Whether an Authorization header carries the token."""
    scheme, _, given = header.partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(
        given.strip().encode("latin-1", "replace"), token.encode()
    )
