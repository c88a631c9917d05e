"""Manifests: an artifact's files with their digests.

The shape follows the `resources` of the OpenSSF Model Signing predicate: each resource has a name and a digest. A
resource whose algorithm is `commitment-sha256` stands for bytes that only a key's holder can read.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from mooring.errors import RecordError
from mooring.records import canonical
from mooring.records.digest import Digest, sha256
from mooring.records.shape import from_json, to_json

__all__ = ["Manifest", "Resource", "check_name"]

_MAX_NAME = 1024
_MAX_RESOURCES = 1_000_000


def check_name(name: str) -> str:
    """Return a safe relative POSIX path in Unicode NFC, or raise RecordError `resource-name`."""
    problem = _problem(name)
    if problem:
        raise RecordError(
            f"resource name {name[:100]!r} {problem}",
            code="resource-name",
            hint="use relative paths with /, in NFC, without . or .. parts",
        )
    return name


def _problem(name: str) -> str:
    if not name or len(name) > _MAX_NAME:
        return f"is not 1 to {_MAX_NAME} characters long"
    if name.startswith("/") or "\\" in name or ":" in name.split("/")[0]:
        return "is absolute or carries another system's separator"
    if any(part in ("", ".", "..") for part in name.split("/")):
        return "has an empty, '.' or '..' part"
    if any(unicodedata.category(char) in ("Cc", "Cs", "Cn", "Co") for char in name):
        return "has a control character or a byte that is not UTF-8"
    if unicodedata.normalize("NFC", name) != name:
        return "is not in Unicode NFC"
    return ""


@dataclass(frozen=True, slots=True)
class Resource:
    """One file of an artifact: its name inside the artifact, its digest, its size in bytes."""

    name: str
    digest: Digest
    size: int

    def __post_init__(self) -> None:
        check_name(self.name)
        if not 0 <= self.size < 2**53:
            raise RecordError(f"resource {self.name!r} has size {self.size}", code="resource-size", hint="give bytes")


@dataclass(frozen=True, slots=True)
class Manifest:
    """An artifact's resources in the order of their names; never empty, no name twice in any case."""

    resources: tuple[Resource, ...]

    def __post_init__(self) -> None:
        if not 0 < len(self.resources) <= _MAX_RESOURCES:
            raise RecordError(
                f"a manifest of {len(self.resources)} resources",
                code="manifest-empty" if not self.resources else "manifest-size",
                hint=f"an artifact has 1 to {_MAX_RESOURCES} files",
            )
        self._check_order()

    def _check_order(self) -> None:
        names = [resource.name for resource in self.resources]
        if names != sorted(names):
            raise RecordError("manifest resources are not sorted by name", code="manifest-order", hint="sort them")
        folded: dict[str, str] = {}
        for name in names:
            other = folded.setdefault(unicodedata.normalize("NFC", name.casefold()), name)
            if other is not name:
                raise RecordError(
                    f"resource names {other!r} and {name!r} collide where case is ignored",
                    code="resource-name-collision",
                    hint="rename one of them",
                )

    @classmethod
    def of(cls, resources: Iterable[Resource]) -> Manifest:
        """Return the manifest of resources given in any order."""
        return cls(tuple(sorted(resources, key=lambda resource: resource.name)))

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Parse canonical bytes; raises RecordError if they are not exactly what `to_bytes` writes."""
        manifest = from_json(cls, canonical.decode(data))
        if manifest.to_bytes() != data:
            raise RecordError("manifest bytes are not canonical", code="not-canonical", hint="write them by RFC 8785")
        return manifest

    def to_bytes(self) -> bytes:
        """Return the canonical bytes (RFC 8785)."""
        return canonical.encode(to_json(self))

    @property
    def digest(self) -> Digest:
        """The SHA-256 of the canonical bytes: the artifact's name everywhere."""
        return sha256(self.to_bytes())

    def find(self, name: str) -> Resource | None:
        """Return the resource of that name, or None."""
        return next((resource for resource in self.resources if resource.name == name), None)
