"""People: each has one data key under a random name, and only the living pepper and key lead from the one to the other.

A person's identifier (a patient number, an e-mail address) is written nowhere in the clear. The secret store finds the
data key by a handle, HMAC-SHA256 under a pepper that it keeps too; the handle is destroyed together with the key. What
stays is the random name in a tombstone.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from mooring.errors import NotFoundError, PrivacyError, StorageError

__all__ = ["Entropy", "Gone", "Person", "Secrets", "enrol", "erase", "find"]

Entropy = Callable[[int], bytes]
"""Returns so many bytes of randomness that nobody can guess."""

_PEPPER = "pepper/people"
_MAX_IDENTIFIER = 1024
_ATTEMPTS = 5


class Gone(Protocol):
    """What stays of a destroyed key: its random name, and when it went, in Unix nanoseconds."""

    @property
    def name(self) -> str: ...
    @property
    def destroyed_ns(self) -> int: ...


class Secrets(Protocol):
    """Data keys that can be destroyed for good; `mooring.storage.port.SecretStore` says what each method promises."""

    def create(self, names: Sequence[str], handles: Sequence[bytes] = ()) -> tuple[bytes, ...]:
        """Make and keep one 32-byte key per name."""
        ...

    def get(self, name: str) -> bytes:
        """Return a key."""
        ...

    def get_many(self, names: Sequence[str]) -> Mapping[str, bytes]:
        """Return the keys that were not destroyed."""
        ...

    def find(self, handles: Sequence[bytes]) -> Mapping[bytes, str]:
        """Return the names of known handles."""
        ...

    def destroy(self, name: str) -> Gone:
        """Remove a key and its handle for good."""
        ...


@dataclass(frozen=True, slots=True)
class Person:
    """A person's random name and data key."""

    name: str
    key: bytes = field(repr=False)


def enrol(identifiers: Iterable[str], *, secrets: Secrets, entropy: Entropy) -> Mapping[str, Person]:
    """Return each person by identifier, giving a name and key to those who have none yet.

    Identifiers are compared exactly. Raises PrivacyError `identifier` for one that is empty or too long.
    """
    wanted = list(dict.fromkeys(identifiers))
    handles = dict(zip(wanted, _handles(wanted, secrets), strict=True))
    for _ in range(_ATTEMPTS):
        known = secrets.find(list(handles.values()))
        fresh = _create([handle for handle in handles.values() if handle not in known], secrets, entropy)
        keys = secrets.get_many(list(known.values()))
        people = fresh | {handle: Person(name, keys[name]) for handle, name in known.items() if name in keys}
        if len(people) == len(handles):
            return {identifier: people[handle] for identifier, handle in handles.items()}
    raise PrivacyError(
        "people were enrolled or erased by others at the same time",
        code="people-busy",
        hint="wait for the other writers to end, then run this again",
    )


def find(identifier: str, *, secrets: Secrets) -> Person:
    """Return the person of that identifier; raises PrivacyError `person-unknown`, also for one who was erased.

    Nothing that is kept could tell the two apart, and that is the point.
    """
    (handle,) = _handles([identifier], secrets)
    name = secrets.find([handle]).get(handle)
    if name is None:
        raise PrivacyError(
            "nobody is kept under this identifier",
            code="person-unknown",
            hint="check its spelling, to the letter; if the person was erased, this is what remains",
        )
    return Person(name, secrets.get(name))


def erase(identifier: str, *, secrets: Secrets) -> Gone:
    """Destroy a person's key: everything encrypted under it is unreadable from now on, in every copy.

    Raises PrivacyError `person-unknown`.
    """
    return secrets.destroy(find(identifier, secrets=secrets).name)


def _create(handles: Sequence[bytes], secrets: Secrets, entropy: Entropy) -> dict[bytes, Person]:
    """Give each handle a person, or none of them if another writer enrolled one since we looked."""
    pool = entropy(16 * len(handles))
    names = [f"person/{pool[start : start + 16].hex()}" for start in range(0, len(pool), 16)]
    try:
        keys = secrets.create(names, handles)
    except StorageError as error:
        if error.code != "secret-exists":
            raise
        return {}
    return {handle: Person(name, key) for handle, name, key in zip(handles, names, keys, strict=True)}


def _handles(identifiers: Sequence[str], secrets: Secrets) -> list[bytes]:
    encoded = [_encode(identifier) for identifier in identifiers]
    pepper = _pepper(secrets)
    return [hmac.digest(pepper, b"mooring/person/v1\0" + identifier, "sha256") for identifier in encoded]


def _encode(identifier: str) -> bytes:
    encoded = identifier.encode(errors="surrogatepass")
    if not 0 < len(encoded) <= _MAX_IDENTIFIER:
        raise PrivacyError(
            f"an identifier of {len(encoded)} bytes",
            code="identifier",
            hint=f"a person's identifier has 1 to {_MAX_IDENTIFIER} bytes",
        )
    return encoded


def _pepper(secrets: Secrets) -> bytes:
    try:
        return secrets.get(_PEPPER)
    except NotFoundError:
        try:
            secrets.create([_PEPPER])
        except StorageError as error:
            if error.code != "secret-exists":  # another process was first: its pepper serves both
                raise
        return secrets.get(_PEPPER)
