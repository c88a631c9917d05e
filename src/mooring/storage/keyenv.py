"""Keys in environment variables, read-only: for containers whose secrets arrive that way.

    MOORING_KEY_<NAME>   a signing key: PKCS #8 or SEC 1 PEM without passphrase, line ends real or written as \\n
    MOORING_WRAP_<NAME>  a key that wraps data keys: 64 hex digits

`<NAME>` is the key's name in upper case with _ for -.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from mooring.errors import StorageError
from mooring.proofs.keys import PublicKey
from mooring.storage.keys import SigningKey, check_key_name, key_not_found
from mooring.storage.port import RetiredKey

__all__ = ["EnvironmentKeys"]

_SIGNING = "MOORING_KEY_"
_WRAPPING = "MOORING_WRAP_"
_VARIABLE = re.compile(_SIGNING + "[A-Z0-9][A-Z0-9_]{0,63}")


class EnvironmentKeys:
    """A `KeyManagement` over environment variables; a changed variable is read anew."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """Read from `environment`, or this process's own."""
        self._environment = os.environ if environment is None else environment
        self._parsed: dict[str, tuple[str, SigningKey]] = {}

    def names(self) -> tuple[str, ...]:
        """Return the names of all signing keys, sorted."""
        found = (variable for variable in self._environment if _VARIABLE.fullmatch(variable))
        return tuple(sorted(variable.removeprefix(_SIGNING).lower().replace("_", "-") for variable in found))

    def public(self, name: str) -> PublicKey:
        """Return the public part."""
        return self._key(name).public

    def retired(self, name: str) -> tuple[RetiredKey, ...]:
        """Return nothing: the environment has no past."""
        self._key(name)
        return ()

    def sign(self, name: str, message: bytes) -> bytes:
        """Return a signature that `public(name).verify` accepts (formats: `mooring.proofs.keys`)."""
        return self._key(name).sign(message)

    def sign_digest(self, account: str, digest: bytes) -> bytes:
        """Return r || s || v (65 bytes, v 0 or 1, low s) over a 32-byte digest."""
        return self._key(account).sign_digest(digest)

    def address(self, account: str) -> str:
        """Return the EIP-55 address of a secp256k1 key."""
        return self.public(account).address

    def wrapping_key(self, name: str) -> bytes:
        """Return the 256-bit key of that name, which wraps data keys."""
        variable = _variable(_WRAPPING, name)
        text = self._environment.get(variable)
        if text is None:
            raise key_not_found(name, f"the environment (${variable})")
        if re.fullmatch("[0-9a-fA-F]{64}", text) is None:
            raise StorageError(
                f"${variable} is not 64 hex digits", code="key-format", hint="use 'openssl rand -hex 32'"
            )
        return bytes.fromhex(text)

    def __repr__(self) -> str:
        return f"EnvironmentKeys({', '.join(self.names())})"

    def _key(self, name: str) -> SigningKey:
        variable = _variable(_SIGNING, name)
        text = self._environment.get(variable)
        if text is None:
            raise key_not_found(name, f"the environment (${variable})")
        kept = self._parsed.get(name)
        if kept and kept[0] == text:
            return kept[1]
        try:
            key = SigningKey.from_pem(text.replace("\\n", "\n").encode(errors="replace"))
        except StorageError as error:
            raise StorageError(f"${variable}: {error.message}", code=error.code, hint=error.hint) from None
        self._parsed[name] = (text, key)
        return key


def _variable(prefix: str, name: str) -> str:
    return prefix + check_key_name(name).upper().replace("-", "_")
