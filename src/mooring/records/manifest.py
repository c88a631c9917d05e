"""Manifests: an artifact's files with their digests.

The shape follows the `resources` of the OpenSSF Model Signing predicate: each resource has a name and a digest. A
resource whose algorithm is `commitment-sha256` stands for bytes that only a key's holder can read.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from mooring.errors import RecordError
from mooring.records import canonical
from mooring.records.digest import Digest, sha256
from mooring.records.shape import from_json, to_json

__all__ = ["Manifest", "Resource", "check_name"]

_MAX_NAME = 1024
_MAX_RESOURCES = 1_000_000
_MAX_BYTES = 64 * 1024 * 1024
_REORDERS = frozenset({"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"})


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
    if any(unicodedata.category(char) in ("Cc", "Cs", "Cn", "Co", "Zl", "Zp") for char in name):
        return "has a control character, a line separator or a byte that is not UTF-8"
    if any(unicodedata.bidirectional(char) in _REORDERS for char in name):
        return "has a character that makes it read in another order"
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
        if type(self.size) is not int or not 0 <= self.size < 2**53:
            raise RecordError(f"resource {self.name!r} has size {self.size}", code="resource-size", hint="give bytes")


@dataclass(frozen=True, slots=True)
class Manifest:
    """An artifact's resources in the order of their names.

    Never empty; no name twice, in any case, and none that is also the folder of another.
    """

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
            key = unicodedata.normalize("NFC", name.casefold())
            if key in folded:
                raise _collision(folded[key], name, "where case is ignored")
            folded[key] = name
        for key, name in folded.items():
            for folder in _folders(key):
                if folder in folded:
                    raise _collision(folded[folder], name, "as a file and a folder")

    @classmethod
    def of(cls, resources: Iterable[Resource]) -> Manifest:
        """Return the manifest of resources given in any order."""
        return cls(tuple(sorted(resources, key=lambda resource: resource.name)))

    @classmethod
    def from_bytes(cls, data: bytes) -> Manifest:
        """Parse canonical bytes; raises RecordError if they are not exactly what `to_bytes` writes."""
        manifest = from_json(cls, canonical.decode(data, limit=_MAX_BYTES))
        if manifest.to_bytes() != data:
            raise RecordError("manifest bytes are not canonical", code="not-canonical", hint="write them by RFC 8785")
        return manifest

    def to_bytes(self) -> bytes:
        """Return the canonical bytes (RFC 8785); raises RecordError `manifest-size` if nobody could read them back."""
        data = canonical.encode(to_json(self))
        if len(data) > _MAX_BYTES:
            raise RecordError(
                f"a manifest of {len(data)} bytes is more than the {_MAX_BYTES} allowed",
                code="manifest-size",
                hint="pack the files into fewer ones, or split the artifact",
            )
        return data

    @property
    def digest(self) -> Digest:
        """The SHA-256 of the canonical bytes: the artifact's name everywhere."""
        return sha256(self.to_bytes())

    def find(self, name: str) -> Resource | None:
        """Return the resource of that name, or None."""
        return next((resource for resource in self.resources if resource.name == name), None)


def _folders(name: str) -> Iterator[str]:
    position = name.find("/")
    while position >= 0:
        yield name[:position]
        position = name.find("/", position + 1)


def _collision(one: str, other: str, how: str) -> RecordError:
    return RecordError(
        f"resource names {one[:100]!r} and {other[:100]!r} collide {how}",
        code="resource-name-collision",
        hint="rename one of them",
    )
