"""The published log through the eyes of a stranger: a client written from the C2SP texts alone, over plain HTTP.

The client below imports nothing of ours. Sources: C2SP signed-note, tlog-checkpoint, tlog-tiles; RFC 6962 section 2.1.
"""

from __future__ import annotations

import base64
import hashlib
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from mooring.proofs.merkle import leaf_hash, verify_consistency, verify_inclusion
from mooring.proofs.note import Signature, VerifierKey, sign
from mooring.storage.filelog import FileLog

ORIGIN = "mooring.test/demo/records"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(32))
PUBLIC = PRIVATE.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


class Client:
    """A log client: what it returns, it has verified."""

    def __init__(self, prefix: str, vkey: str) -> None:
        self.prefix = prefix
        self.name, self.key_id, encoded = vkey.split("+", 2)
        typed = base64.b64decode(encoded)
        assert typed[0] == 1
        assert hashlib.sha256(self.name.encode() + b"\n" + typed).hexdigest()[:8] == self.key_id
        self.key = Ed25519PublicKey.from_public_bytes(typed[1:])

    def fetch(self, path: str) -> bytes:
        with urllib.request.urlopen(f"{self.prefix}/{path}") as answer:
            return answer.read()

    def checkpoint(self) -> tuple[int, bytes]:
        """The verified size and root."""
        text, _, lines = self.fetch("checkpoint").decode().rpartition("\n\n")
        text += "\n"
        for line in lines.splitlines():
            dash, name, encoded = line.split(" ")
            blob = base64.b64decode(encoded)
            if (dash, name, blob[:4].hex()) == ("—", self.name, self.key_id):
                self.key.verify(blob[4:], text.encode())
                origin, size, root = text.splitlines()
                assert origin == self.name
                return int(size), base64.b64decode(root)
        raise AssertionError("the log did not sign")

    def tile(self, level: str, index: int, width: int) -> bytes:
        """The first `width` items of a tile or bundle: the partial resource, or else the full one."""
        digits = f"{index:03d}"
        digits = "0" * (-len(digits) % 3) + digits
        groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        path = f"tile/{level}/" + "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
        try:
            return self.fetch(path if width == 256 else f"{path}.p/{width}")
        except urllib.error.HTTPError:
            if width == 256:
                raise
            return self.fetch(path)

    def leaves(self, size: int) -> list[bytes]:
        """Every leaf hash, from level 0."""
        found = []
        for index in range(0, size, 256):
            width = min(256, size - index)
            data = self.tile("0", index // 256, width)[: width * 32]
            assert len(data) == width * 32
            found += [data[at : at + 32] for at in range(0, len(data), 32)]
        return found

    def entries(self, size: int) -> list[bytes]:
        """Every entry, from the bundles."""
        found = []
        for index in range(0, size, 256):
            width = min(256, size - index)
            data, at = self.tile("entries", index // 256, width), 0
            for _ in range(width):
                length = int.from_bytes(data[at : at + 2], "big")
                found.append(data[at + 2 : at + 2 + length])
                at += 2 + length
        return found

    def row(self, level: int, size: int) -> list[bytes]:
        """Every hash of a tile level above 0."""
        count = size // 256**level
        parts = [self.tile(str(level), index // 256, min(256, count - index)) for index in range(0, count, 256)]
        data = b"".join(parts)
        return [data[at : at + 32] for at in range(0, count * 32, 32)]


def mth(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1 over leaf hashes."""
    if len(leaves) <= 1:
        return leaves[0] if leaves else hashlib.sha256().digest()
    middle = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + mth(leaves[:middle]) + mth(leaves[middle:])).digest()


class Quiet(SimpleHTTPRequestHandler):
    """A static web server like any other, that does not write to the test's output."""

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def prefix(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "log" / "public").mkdir(parents=True)
    handler = partial(Quiet, directory=str(tmp_path / "log" / "public"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture
def log(tmp_path: Path, prefix: str) -> Iterator[FileLog]:
    with FileLog(tmp_path / "log", ORIGIN) as log:
        yield log


def signer(text: str) -> list[Signature]:
    return [sign(text, VerifierKey(ORIGIN, PUBLIC), PRIVATE.sign)]


def entry(index: int) -> bytes:
    return b"entry %d " % index * (index % 5)


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 1000, 65_536 + 300])
def test_a_c2sp_client_reads_and_verifies_everything(log: FileLog, prefix: str, size: int) -> None:
    for start in range(0, size, 5000):
        log.append([entry(index) for index in range(start, min(start + 5000, size))])
    log.seal(signer)
    client = Client(prefix, str(VerifierKey(ORIGIN, PUBLIC)))
    assert client.checkpoint() == (size, log.root(size))
    leaves = client.leaves(size)
    assert mth(leaves) == log.root(size)
    assert client.entries(size) == [entry(index) for index in range(size)]
    assert [hashlib.sha256(b"\0" + one).digest() for one in client.entries(size)] == leaves
    for level in (1, 2):
        span = 256**level
        assert client.row(level, size) == [mth(leaves[at * span : (at + 1) * span]) for at in range(size // span)]


def test_a_c2sp_client_with_an_old_checkpoint_finds_what_it_needs_after_the_log_has_grown(
    log: FileLog, prefix: str
) -> None:
    client = Client(prefix, str(VerifierKey(ORIGIN, PUBLIC)))
    seen = []
    for size in (3, 250, 256, 300, 700):
        log.append([entry(index) for index in range(log.size, size)])
        log.seal(signer)
        seen.append(client.checkpoint())
    for size, root in seen:
        assert mth(client.leaves(size)) == root
        assert client.entries(size) == [entry(index) for index in range(size)]
        verify_consistency(size, root, *seen[-1], log.consistency(size, 700))
        verify_inclusion(leaf_hash(entry(2)), 2, size, log.inclusion(2, size), root)


def test_a_c2sp_client_refuses_a_forged_checkpoint(log: FileLog, prefix: str, tmp_path: Path) -> None:
    log.append([entry(index) for index in range(5)])
    data = log.seal(signer)
    (tmp_path / "log" / "public" / "checkpoint").write_bytes(data.replace(b"\n5\n", b"\n4\n"))
    with pytest.raises(InvalidSignature):
        Client(prefix, str(VerifierKey(ORIGIN, PUBLIC))).checkpoint()
