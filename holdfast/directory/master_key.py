"""The master key: what every secret in the journal is sealed under, in a file that lies outside the data directory.

Whoever copies the data directory has ciphertext only. The file is text, one key a line, oldest first:

    holdfast-master-key-1:<32 bytes in base64>

The last line seals; every line opens. There is more than one only while a rotation is under way: the new key is in the
file before anything is sealed under it, and the old one leaves it when nothing is sealed under it any more, so that a
crash at any moment loses no secret.

A sealed secret's bytes (AES-256-GCM; the first nine bytes and the caller's context are authenticated too):

    offset  size  field
         0     1  format, 1
         1     8  fingerprint of the master key
         9    12  nonce, random
        21     n  ciphertext
      21+n    16  tag
"""

import base64
import binascii
import hashlib
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from holdfast.errors import StartError
from holdfast.private_file import why_not_private, write_private

PATH_VARIABLE = "HOLDFAST_MASTER_KEY_FILE"
KEY_BYTES = 32
FINGERPRINT_BYTES = 8
_NONCE_BYTES = 12
_FORMAT = b"\x01"
_HEAD_BYTES = len(_FORMAT) + FINGERPRINT_BYTES
_LINE_START = "holdfast-master-key-1:"
_COMMENT = "# Holdfast's master key. With this and the data directory one can sign as any client: keep them apart.\n"


class MasterKeyError(StartError):
    """The master key file cannot be used; the text says why and what to do."""


def master_key_path(venue_id: str) -> Path:
    """Where the master key of a venue lies: named by the environment, or in the user's configuration."""
    named = os.environ.get(PATH_VARIABLE)
    return Path(named) if named else Path.home() / ".config" / "holdfast" / f"{venue_id}.key"


def fingerprint(key: bytes) -> bytes:
    """Names a key without telling anything about it."""
    return hashlib.blake2b(key, digest_size=FINGERPRINT_BYTES, person=b"holdfast-mk").digest()


class MasterKeys:
    """The keys of one file; seals under the newest, opens under any."""

    def __init__(self, path: Path, keys: list[bytes]) -> None:
        assert keys
        self.path = path
        self._hold(keys)

    @classmethod
    def open(cls, path: Path, data_directory: Path) -> "MasterKeys":
        """Read the file. Raises MasterKeyError when it is missing, unsafe or not a master key."""
        _refuse_inside(path, data_directory)
        if not path.exists():
            raise MasterKeyError(
                f"The master key of this venue is missing: {path}. Put it back from where you keep it, or "
                f"name its place in {PATH_VARIABLE}."
            )
        try:
            problem = why_not_private(path)
            text = "" if problem else path.read_text("ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise MasterKeyError(f"The master key file {path} cannot be read: {error}.") from error
        if problem:
            raise MasterKeyError(f"The master key file {path} {problem}.")
        return cls(path, _parse(text, path))

    @classmethod
    def open_or_create(cls, path: Path, data_directory: Path) -> "MasterKeys":
        """For a new venue: read the file if there is one, else make it. Raises MasterKeyError."""
        _refuse_inside(path, data_directory)
        if not path.exists():
            try:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                _write(path, [secrets.token_bytes(KEY_BYTES)])
            except OSError as error:
                raise MasterKeyError(f"The master key file {path} cannot be made: {error.strerror}.") from error
        return cls.open(path, data_directory)

    def read_again(self) -> bool:
        """Take in what another process has done to the file; False when it cannot be read or holds nothing new."""
        try:
            keys = _parse(self.path.read_text("ascii"), self.path)
        except (OSError, UnicodeDecodeError, MasterKeyError):
            return False
        is_new = keys != self._keys
        self._hold(keys)
        return is_new

    @property
    def current(self) -> bytes:
        """The fingerprint of the key that seals now."""
        return fingerprint(self._keys[-1])

    @property
    def is_rotating(self) -> bool:
        return len(self._keys) > 1

    def seal(self, plaintext: bytes, context: bytes) -> bytes:
        """Encrypt, bound to `context`: it opens only with the same context."""
        head = _FORMAT + self.current
        nonce = os.urandom(_NONCE_BYTES)
        return head + nonce + self._ciphers[self.current].encrypt(nonce, plaintext, head + context)

    def unseal(self, sealed: bytes, context: bytes) -> bytes | None:
        """Decrypt, or None when no key of the file opens it or the bytes or the context are not what was sealed."""
        head, nonce = sealed[:_HEAD_BYTES], sealed[_HEAD_BYTES : _HEAD_BYTES + _NONCE_BYTES]
        cipher = self._ciphers.get(sealed_under(sealed))
        if cipher is None or head[:1] != _FORMAT or len(nonce) != _NONCE_BYTES:
            return None
        try:
            return cipher.decrypt(nonce, sealed[_HEAD_BYTES + _NONCE_BYTES :], head + context)
        except InvalidTag:
            return None

    def begin_rotation(self) -> None:
        """Add a new key, durably, and seal under it from now on. Goes on with a rotation that did not finish.

        Raises OSError when the file cannot be written; then nothing has changed.
        """
        if not self.is_rotating:
            self._replace([*self._keys, secrets.token_bytes(KEY_BYTES)])

    def finish_rotation(self) -> None:
        """Forget all keys but the newest; the caller has seen that nothing is sealed under them. Raises OSError."""
        if self.is_rotating:
            self._replace(self._keys[-1:])

    def _replace(self, keys: list[bytes]) -> None:
        _write(self.path, keys)
        self._hold(keys)

    def _hold(self, keys: list[bytes]) -> None:
        self._keys = keys
        self._ciphers = {fingerprint(key): AESGCM(key) for key in keys}


def sealed_under(sealed: bytes) -> bytes:
    """The fingerprint of the key that a secret is sealed under."""
    return sealed[len(_FORMAT) : _HEAD_BYTES]


def _refuse_inside(path: Path, data_directory: Path) -> None:
    if path.resolve().is_relative_to(data_directory.resolve()):
        raise MasterKeyError(
            f"The master key file {path} lies inside the data directory; a copy of that directory would reveal every "
            f"secret. Name another place in {PATH_VARIABLE}."
        )


def _parse(text: str, path: Path) -> list[bytes]:
    keys = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            key = base64.b64decode(line.removeprefix(_LINE_START).strip(), validate=True)
        except binascii.Error:
            key = b""
        if not line.startswith(_LINE_START) or len(key) != KEY_BYTES:
            raise MasterKeyError(f"The master key file {path} is damaged: line {number} is not a master key.")
        keys.append(key)
    if not keys:
        raise MasterKeyError(f"The master key file {path} holds no key.")
    return keys


def _write(path: Path, keys: list[bytes]) -> None:
    lines = [f"{_LINE_START}{base64.b64encode(key).decode()}\n" for key in keys]
    write_private(path, (_COMMENT + "".join(lines)).encode())
