"""Where a venue listens for the line: "host:port", or the path of its Unix socket."""

from pathlib import Path
from typing import NamedTuple


class Address(NamedTuple):
    """Either a path, or a host and a port."""

    path: str
    host: str
    port: int


def parse_address(address: str | Path) -> Address:
    """Raises ValueError."""
    text = str(address)
    host, colon, port = text.rpartition(":")
    if isinstance(address, str) and colon and port.isdigit():
        return Address("", host.strip("[]"), int(port))
    if not text:
        raise ValueError("An address is host:port, or the path of a socket.")
    return Address(text, "", 0)
