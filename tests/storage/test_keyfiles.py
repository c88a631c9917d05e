"""Keys in encrypted files: what lies on the disk, who may open it, what a changed file can do."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from mooring.errors import CorruptError, NotFoundError, ProofError, StorageError
from mooring.proofs.keys import Kind
from mooring.storage.keyfiles import KeyFiles, _File
from mooring.storage.keys import SigningKey
from mooring.storage.passphrase import Cost

CHEAP = Cost(1 << 14)


def ask_nobody() -> str:
    raise AssertionError("the passphrase was asked for")


def store_in(folder: Path, passphrase: str = "correct horse") -> KeyFiles:
    return KeyFiles(folder, lambda: passphrase, cost=CHEAP)


def rewrite(path: Path, **changes: Any) -> None:
    fields = json.loads(path.read_bytes()) | changes
    path.write_text(json.dumps(fields, sort_keys=True, separators=(",", ":")))


@pytest.mark.parametrize("kind", ["ed25519", "p256", "secp256k1"])
def test_a_created_key_signs_in_the_next_process_under_the_same_passphrase(tmp_path: Path, kind: Kind) -> None:
    made = store_in(tmp_path).create("mine", kind)
    later = store_in(tmp_path)
    assert later.public("mine") == made
    made.verify(later.sign("mine", b"message"), b"message")


def test_files_are_private_to_their_owner(tmp_path: Path) -> None:
    store = store_in(tmp_path / "keys")
    store.create("mine", "p256")
    store.wrapping_key("people")
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    files = sorted((tmp_path / "keys").iterdir())
    assert [path.name for path in files] == [".lock", "mine.key.json", "people.wrap.json"]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}


def test_the_key_is_not_on_the_disk_in_the_clear(tmp_path: Path) -> None:
    private = Ed25519PrivateKey.generate()
    store = store_in(tmp_path)
    store.import_("mine", private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    wrapping = store.wrapping_key("people")
    disk = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    for secret in (private.private_bytes_raw(), wrapping):
        assert secret not in disk
        assert secret.hex().encode() not in disk


def test_public_parts_need_no_passphrase(tmp_path: Path) -> None:
    made = store_in(tmp_path).create("chain", "secp256k1")
    store = KeyFiles(tmp_path, ask_nobody, cost=CHEAP)
    assert store.public("chain") == made
    assert store.address("chain") == made.address
    assert store.names() == ("chain",)


def test_a_wrong_passphrase_is_told_from_a_damaged_file_and_may_be_tried_again(tmp_path: Path) -> None:
    store_in(tmp_path).create("mine", "ed25519")
    answers = iter(["wrong", "correct horse"])
    store = KeyFiles(tmp_path, lambda: next(answers), cost=CHEAP)
    with pytest.raises(StorageError) as caught:
        store.sign("mine", b"message")
    assert caught.value.code == "passphrase"
    assert "wrong'" not in str(caught.value)
    store.public("mine").verify(store.sign("mine", b"message"), b"message")


@pytest.mark.parametrize("passphrase", ["", "x" * 1025])
def test_an_empty_or_endless_passphrase_is_refused(tmp_path: Path, passphrase: str) -> None:
    with pytest.raises(StorageError) as caught:
        store_in(tmp_path, passphrase).create("mine", "ed25519")
    assert caught.value.code == "passphrase"
    assert store_in(tmp_path).names() == ()


def test_a_second_key_under_another_passphrase_is_refused(tmp_path: Path) -> None:
    store_in(tmp_path).create("first", "ed25519")
    with pytest.raises(StorageError) as caught:
        store_in(tmp_path, "a typing error").create("second", "ed25519")
    assert caught.value.code == "passphrase"
    with pytest.raises(StorageError):  # of another cost too
        KeyFiles(tmp_path, lambda: "a typing error", cost=Cost(1 << 15)).create("second", "ed25519")
    assert store_in(tmp_path).names() == ("first",)


def test_a_key_made_at_a_higher_cost_opens_beside_the_older_ones(tmp_path: Path) -> None:
    store_in(tmp_path).create("old", "ed25519")
    KeyFiles(tmp_path, lambda: "correct horse", cost=Cost(1 << 15)).create("new", "ed25519")
    store = store_in(tmp_path)
    for name in ("old", "new"):
        store.public(name).verify(store.sign(name, b"m"), b"m")
    assert json.loads((tmp_path / "new.key.json").read_bytes())["scrypt"]["n"] == 1 << 15


def test_a_passphrase_typed_on_another_keyboard_is_the_same(tmp_path: Path) -> None:
    store_in(tmp_path, "caf\u00e9").create("mine", "ed25519")
    store = store_in(tmp_path, "cafe\u0301")
    assert store.sign("mine", b"m")


def test_the_passphrase_is_asked_once_for_all_keys_of_a_folder(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    for number in range(5):
        store.create(f"key-{number}", "ed25519")
    asked = []
    later = KeyFiles(tmp_path, lambda: asked.append(1) or "correct horse", cost=CHEAP)
    for name in later.names():
        later.sign(name, b"m")
    later.wrapping_key("people")
    assert len(asked) == 1


def test_lock_forgets_the_keys(tmp_path: Path) -> None:
    store_in(tmp_path).create("mine", "ed25519")
    asked = []
    store = KeyFiles(tmp_path, lambda: asked.append(1) or "correct horse", cost=CHEAP)
    store.sign("mine", b"m")
    store.lock()
    store.sign("mine", b"m")
    assert len(asked) == 2


def test_an_unlocked_key_signs_fast(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.create("chain", "secp256k1")
    store.sign_digest("chain", bytes(32))
    start = time.perf_counter()
    for _ in range(200):
        store.sign_digest("chain", bytes(32))
    assert (time.perf_counter() - start) / 200 < 0.002  # some 50 µs; scrypt alone would take 30 ms


def test_a_name_that_is_taken_is_refused_and_keeps_its_key(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    first = store.create("mine", "ed25519")
    pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for attempt in (lambda: store.create("mine", "p256"), lambda: store.import_("mine", pem)):
        with pytest.raises(StorageError) as caught:
            attempt()
        assert caught.value.code == "key-exists"
    assert store.public("mine") == first


def test_of_many_creators_of_one_name_exactly_one_wins(tmp_path: Path) -> None:
    won, lost = [], []

    def create() -> None:
        try:
            won.append(store_in(tmp_path).create("mine", "ed25519"))
        except StorageError as error:
            lost.append(error.code)

    threads = [threading.Thread(target=create) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert won == [store_in(tmp_path).public("mine")]
    assert lost == ["key-exists"] * 4


def test_rotation_keeps_the_name_and_of_the_old_key_only_its_public_part(tmp_path: Path) -> None:
    times = iter([100, 200, 300])
    store = KeyFiles(tmp_path, lambda: "correct horse", cost=CHEAP, now_ns=lambda: next(times))
    first = store.create("mine", "p256")
    signature = store.sign("mine", b"before")
    second = store.rotate("mine")
    third = store.rotate("mine")
    assert store.public("mine") == third
    assert third.kind == "p256"
    assert [(old.public, old.created_ns, old.retired_ns) for old in store.retired("mine")] == [
        (first, 100, 200),
        (second, 200, 300),
    ]
    first.verify(signature, b"before")
    third.verify(store.sign("mine", b"after"), b"after")
    with pytest.raises(ProofError):
        first.verify(store.sign("mine", b"after"), b"after")


def test_a_rotation_by_another_process_is_noticed(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.create("mine", "ed25519")
    store.sign("mine", b"m")
    rotated = store_in(tmp_path).rotate("mine")
    rotated.verify(store.sign("mine", b"m"), b"m")


def test_who_has_the_wrong_passphrase_cannot_rotate(tmp_path: Path) -> None:
    first = store_in(tmp_path).create("mine", "ed25519")
    with pytest.raises(StorageError) as caught:
        store_in(tmp_path, "wrong").rotate("mine")
    assert caught.value.code == "passphrase"
    assert store_in(tmp_path).public("mine") == first


def test_a_key_that_is_not_there_cannot_be_rotated(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        store_in(tmp_path).rotate("mine")


def test_a_wrapping_key_stays_the_same_and_is_no_signing_key(tmp_path: Path) -> None:
    key = store_in(tmp_path).wrapping_key("people")
    assert store_in(tmp_path).wrapping_key("people") == key
    assert store_in(tmp_path).wrapping_key("others") != key
    assert store_in(tmp_path).names() == ()


CHANGES: dict[str, dict[str, Any]] = {
    "the public part of another key": {"public": "OTHER"},
    "an older time": {"createdNs": "1"},
    "a retired key that never was": {"retired": [{"createdNs": "1", "public": "OTHER", "retiredNs": "2"}]},
    "another kind": {"kind": "p256"},
    "a cost that is too low": {"scrypt": {"n": 2, "p": 1, "r": 8}},
    "a cost that would exhaust the machine": {"scrypt": {"n": 1 << 30, "p": 1, "r": 8}},
    "a cost that is no number": {"scrypt": {"n": "16384", "p": 1, "r": 8}},
    "an unknown field": {"more": 1},
    "another format": {"format": "mooring-key-v2"},
    "a sealed key that is no base64": {"sealed": "?"},
    "a shorter sealed key": {"sealed": "AAAA"},
    "another name": {"name": "theirs"},
    "a list of retired keys that is none": {"retired": 3},
}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES.keys())
def test_a_changed_file_is_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    store = store_in(tmp_path)
    store.create("mine", "ed25519")
    other = store.create("other", "ed25519").to_text()
    text = json.dumps(changes).replace("OTHER", other)
    rewrite(tmp_path / "mine.key.json", **json.loads(text))
    with pytest.raises(CorruptError) as caught:
        store_in(tmp_path).sign("mine", b"m")
    assert caught.value.code == "key-file"


def test_a_file_that_its_owner_forged_is_refused(tmp_path: Path) -> None:
    """Who has the passphrase can bind another public part to a key; signing with it would prove the wrong thing."""
    store = store_in(tmp_path)
    other = store.create("other", "ed25519")
    path = tmp_path / "mine.key.json"
    with store._writing():
        file = _File("mine", "ed25519", other, 1, (), store._frame())
        path.write_bytes(store._seal(file, SigningKey.generate("ed25519").to_der()))
    assert store.public("mine") == other
    with pytest.raises(CorruptError, match="belongs to another key"):
        store.sign("mine", b"m")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"null", b"{}", b"\xff", b" " * ((1 << 20) + 1)])
def test_a_file_that_is_no_key_is_refused_and_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "mine.key.json").write_bytes(data)
    with pytest.raises(CorruptError, match=r"mine\.key\.json"):
        store_in(tmp_path).public("mine")


def test_files_that_can_be_no_keys_are_not_listed(tmp_path: Path) -> None:
    store = store_in(tmp_path)
    store.create("mine", "ed25519")
    for name in (".key.json", "My key.key.json", "mine.key.json.bak"):
        (tmp_path / name).write_text("{}")
    assert store.names() == ("mine",)


def test_a_key_file_under_another_name_is_refused(tmp_path: Path) -> None:
    store_in(tmp_path).create("mine", "ed25519")
    shutil.copy(tmp_path / "mine.key.json", tmp_path / "boss.key.json")
    with pytest.raises(CorruptError, match="file of key 'mine'"):
        store_in(tmp_path).sign("boss", b"m")


def test_a_changed_check_reads_as_a_wrong_passphrase(tmp_path: Path) -> None:
    store_in(tmp_path).create("mine", "ed25519")
    rewrite(tmp_path / "mine.key.json", check="A" * 43 + "=")
    with pytest.raises(StorageError) as caught:
        store_in(tmp_path).sign("mine", b"m")
    assert caught.value.code == "passphrase"


@pytest.mark.parametrize("bounds", [(0, 8, 1), (1 << 13, 8, 1), (20_000, 8, 1), (1 << 14, 7, 1), (1 << 14, 33, 1),
                                    (1 << 14, 8, 0), (1 << 14, 8, 17), (1 << 21, 8, 1), (-4, 8, 1)])  # fmt: skip
def test_costs_out_of_bounds_are_refused(bounds: tuple[int, int, int]) -> None:
    with pytest.raises(StorageError) as caught:
        Cost(*bounds)
    assert caught.value.code == "kdf-cost"


@pytest.mark.parametrize("bounds", [(1 << 14, 8, 1), (1 << 20, 8, 16), (1 << 18, 32, 1)])
def test_costs_at_the_bounds_are_accepted(bounds: tuple[int, int, int]) -> None:
    assert (Cost(*bounds).n, Cost(*bounds).r, Cost(*bounds).p) == bounds


def test_the_default_cost_is_as_documented() -> None:
    assert 128 * Cost().n * Cost().r == 128 << 20


def rsa_pem() -> bytes:
    return rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def encrypted_pem() -> bytes:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"p"))


@pytest.mark.parametrize(
    ("pem", "says"),
    [
        (b"", "does not parse"),
        (b"-----BEGIN " + b"PRIVATE KEY-----\nSECRETSECRET\n-----END " + b"PRIVATE KEY-----\n", "does not parse"),
        (b"x" * 8193, "8193 bytes"),
        (rsa_pem(), "does not parse"),
        (encrypted_pem(), "is encrypted"),
    ],
)
def test_what_is_no_usable_private_key_is_not_imported(tmp_path: Path, pem: bytes, says: str) -> None:
    store = store_in(tmp_path)
    with pytest.raises(StorageError, match=says) as caught:
        store.import_("mine", pem)
    assert caught.value.code == "key-format"
    assert "SECRET" not in str(caught.value)
    assert caught.value.__suppress_context__
    assert store.names() == ()


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StorageError) as caught:
        store_in(tmp_path).create("mine", "rsa")  # type: ignore[arg-type]  # what a user may type
    assert caught.value.code == "key-kind"


def test_a_full_disk_leaves_no_key_and_no_temporary_file(small_disk: Path) -> None:
    store = store_in(small_disk / "keys")
    kept = store.create("kept", "ed25519")
    with (small_disk / "filler").open("wb", buffering=0) as filler, pytest.raises(OSError):  # noqa: PT012
        while True:
            filler.write(bytes(4096))
    for attempt in (lambda: store.create("mine", "ed25519"), lambda: store.rotate("kept")):
        with pytest.raises(StorageError) as caught:
            attempt()
        assert caught.value.code == "disk-full"
    assert store.names() == ("kept",)
    assert store.public("kept") == kept
    assert not list((small_disk / "keys").glob("*.tmp")) + list((small_disk / "keys").glob(".*.tmp"))


def test_a_folder_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    """In a process without root's privileges, which would pass over the modes."""
    store_in(tmp_path / "keys").create("mine", "ed25519")
    script = """
        import os
        from pathlib import Path
        from mooring.errors import StorageError
        from mooring.storage.keyfiles import KeyFiles

        if os.getuid() == 0:
            os.setuid(65534)
        try:
            KeyFiles(Path("keys"), lambda: "p").public("mine")
        except StorageError as error:
            print(error.code, error.message)
    """
    tmp_path.chmod(0o755)
    mine = tmp_path / "keys" / "mine.key.json"
    (tmp_path / "keys").chmod(0o755)
    if os.getuid() != 0:
        mine.chmod(0)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "permission-denied could not read keys/mine.key.json: Permission denied\n"
