"""The log store on files: what it promises to writers, sealers and readers, on a real folder."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from mooring.errors import BusyError, CorruptError, MooringError, NotFoundError, ProofError, StorageError
from mooring.proofs.checkpoint import Checkpoint, cosign, open_checkpoint, sign_checkpoint
from mooring.proofs.merkle import EMPTY_ROOT, leaf_hash, root_of_leaves, verify_consistency, verify_inclusion
from mooring.proofs.note import COSIGNATURE, Signature, VerifierKey, sign
from mooring.proofs.tiles import parse_bundle
from mooring.storage import leafindex
from mooring.storage.filelog import FileLog
from mooring.storage.log import LogStore

ORIGIN = "mooring.test/demo/records"


def keypair(name: str, type: int = 1, seed: int = 0) -> tuple[VerifierKey, Callable[[bytes], bytes]]:
    private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    return VerifierKey(name, private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw), type), private.sign


LOG, LOG_PRIVATE = keypair(ORIGIN)
WITNESS, WITNESS_PRIVATE = keypair("mooring.test/witness", COSIGNATURE, 1)


def signer(text: str) -> list[Signature]:
    return [sign(text, LOG, LOG_PRIVATE)]


def entry(index: int) -> bytes:
    return b"entry %d" % index


def entries(start: int, stop: int) -> list[bytes]:
    return [entry(index) for index in range(start, stop)]


def leaves(start: int, stop: int) -> list[bytes]:
    return [leaf_hash(entry(index)) for index in range(start, stop)]


def refused(
    kind: type[MooringError], code: str, work: Callable[..., Any], *arguments: Any, **named: Any
) -> MooringError:
    with pytest.raises(kind) as caught:
        work(*arguments, **named)
    assert caught.value.code == code
    assert caught.value.hint
    return caught.value


@pytest.fixture
def log(tmp_path: Path) -> Iterator[FileLog]:
    with FileLog(tmp_path / "log", ORIGIN, segment_bytes=1 << 16) as log:
        yield log


def reopened(log: FileLog, folder: Path, **named: Any) -> FileLog:
    log.close()
    return FileLog(folder, ORIGIN, segment_bytes=1 << 16, **named)


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_file_log_is_a_log_store(log: FileLog) -> None:
    store: LogStore = log
    assert (store.origin, store.size, store.sealed, store.checkpoint()) == (ORIGIN, 0, 0, None)


def test_entries_get_the_next_indexes_and_are_read_back(log: FileLog) -> None:
    assert log.append(entries(0, 3)) == range(3)
    assert log.append([b""]) == range(3, 4)
    assert log.append([]) == range(4, 4)
    assert [log.entry(index) for index in range(4)] == [*entries(0, 3), b""]
    refused(NotFoundError, "log-entry", log.entry, 4)
    refused(NotFoundError, "log-entry", log.entry, -1)


def test_entries_are_read_in_a_row_from_bundles_and_segments(log: FileLog) -> None:
    log.append(entries(0, 400))
    log.seal(signer)
    for start in range(400, 700, 7):
        log.append(entries(start, min(start + 7, 700)))
    for start, stop in [(0, 700), (0, 0), (399, 401), (255, 257), (405, 690), (700, 700)]:
        assert list(log.entries(start, stop)) == entries(start, stop)
    refused(NotFoundError, "log-entry", log.entries, 0, 701)
    refused(NotFoundError, "log-entry", log.entries, 5, 4)


def test_an_entry_may_have_65_535_bytes_and_no_more(log: FileLog) -> None:
    log.append([bytes(65_535)])
    error = refused(StorageError, "entry-size", log.append, [b"small", bytes(65_536)])
    assert "65536" in error.message
    assert error.definite
    assert log.size == 1


def test_an_append_may_have_8_mebibytes_and_no_more(log: FileLog) -> None:
    size = 65_534
    most = (8 << 20) // (size + 2)
    assert log.append([bytes(size)] * most) == range(most)
    assert refused(StorageError, "log-batch", log.append, [bytes(size)] * (most + 1)).definite
    assert log.size == most
    assert log.entry(most - 1) == bytes(size)


def test_an_append_larger_than_a_segment_gets_a_segment_of_its_own(tmp_path: Path) -> None:
    with FileLog(tmp_path / "log", ORIGIN, segment_bytes=4096) as log:
        log.append([b"small"])
        log.append([bytes(60_000)] * 2)
        log.append([b"small again"])
    with FileLog(tmp_path / "log", ORIGIN, segment_bytes=4096) as log:
        assert list(log.entries(0, 4)) == [b"small", bytes(60_000), bytes(60_000), b"small again"]
        assert log.scrub().segments == 3


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 512, 600])
def test_a_sealed_log_proves_every_entry_and_every_earlier_size(log: FileLog, size: int) -> None:
    log.append(entries(0, size))
    opened = open_checkpoint(log.seal(signer), LOG).checkpoint
    assert (opened.size, opened.root, log.sealed) == (size, root_of_leaves(leaves(0, size)), size)
    for index in range(size):
        verify_inclusion(leaf_hash(entry(index)), index, size, log.inclusion(index, size), opened.root)
    for old in range(size + 1):
        verify_consistency(old, log.root(old), size, opened.root, log.consistency(old, size))
    assert log.leaf(size - 1) == leaf_hash(entry(size - 1)) if size else log.root(0) == EMPTY_ROOT
    refused(NotFoundError, "log-entry", log.leaf, size)


def test_proofs_are_refused_outside_the_log(log: FileLog) -> None:
    log.append(entries(0, 5))
    for work in (log.root, lambda size: log.inclusion(0, size), lambda size: log.consistency(0, size)):
        refused(NotFoundError, "log-size", work, 6)
    refused(ProofError, "inclusion-proof", log.inclusion, 5, 5)
    refused(ProofError, "consistency-proof", log.consistency, 4, 3)


def test_a_reopened_log_goes_on_where_it_was(tmp_path: Path) -> None:
    log, size = FileLog(tmp_path / "log", ORIGIN, segment_bytes=1 << 16), 0
    for step in (1, 254, 1, 1, 300, 0, 4000):
        log.append(entries(size, size + step))
        size += step
        if step != 300:
            log.seal(signer)
        log = reopened(log, tmp_path / "log")
        assert log.size == size
        assert log.root(size) == root_of_leaves(leaves(0, size))
        assert list(log.entries(0, size)) == entries(0, size)
        log.scrub()
    log.close()


def test_sealing_publishes_the_c2sp_layout_and_nothing_else(log: FileLog, tmp_path: Path) -> None:
    log.append(entries(0, 600))
    checkpoint = log.seal(signer)
    published = files(tmp_path / "log" / "public")
    assert set(published) == {
        "checkpoint",
        "tile/0/000",
        "tile/0/001",
        "tile/0/002.p/88",
        "tile/1/000.p/2",
        "tile/entries/000",
        "tile/entries/001",
        "tile/entries/002.p/88",
    }
    assert published["checkpoint"] == checkpoint == log.checkpoint()
    assert published["tile/0/001"] == b"".join(leaves(256, 512))
    assert published["tile/1/000.p/2"] == root_of_leaves(leaves(0, 256)) + root_of_leaves(leaves(256, 512))
    assert parse_bundle(published["tile/entries/002.p/88"], 88) == entries(512, 600)
    assert not list((tmp_path / "log" / "staging").glob("tile*"))


def test_partial_tiles_stay_for_old_checkpoints_until_the_full_one_is_there(log: FileLog, tmp_path: Path) -> None:
    public = tmp_path / "log" / "public"
    for size in (10, 20):
        log.append(entries(size - 10, size))
        log.seal(signer)
    assert {name for name in files(public) if ".p/" in name} == {
        f"tile/{row}/000.p/{width}" for row in ("0", "entries") for width in (10, 20)
    }
    log.append(entries(20, 257))
    log.seal(signer)
    assert {name for name in files(public) if ".p/" in name} == {
        "tile/0/001.p/1",
        "tile/entries/001.p/1",
        "tile/1/000.p/1",
    }


def test_sealing_again_without_new_entries_changes_nothing(log: FileLog, tmp_path: Path) -> None:
    log.append(entries(0, 3))
    first = log.seal(signer)
    cosigned = log.cosign(log_text(log), [cosign(first, WITNESS, WITNESS_PRIVATE, 1)])
    assert log.seal(signer) == cosigned != first
    assert log.seal(lambda text: []) == cosigned


def test_sealing_again_with_a_new_key_adds_its_signature(log: FileLog) -> None:
    log.append(entries(0, 3))
    log.seal(signer)
    new, private = keypair(ORIGIN, seed=7)
    data = log.seal(lambda text: [*signer(text), sign(text, new, private)])
    assert open_checkpoint(data, LOG).checkpoint == open_checkpoint(data, new).checkpoint
    assert data.count("—".encode()) == 2


def log_text(log: FileLog) -> str:
    return open_checkpoint(log.checkpoint() or b"", LOG).checkpoint.text


def test_a_checkpoint_nobody_signs_is_not_published(log: FileLog) -> None:
    log.append(entries(0, 3))
    refused(ProofError, "note-format", log.seal, lambda text: [])
    assert log.checkpoint() is None
    assert open_checkpoint(log.seal(signer), LOG).checkpoint.size == 3


def test_a_signer_that_fails_leaves_the_old_checkpoint(log: FileLog) -> None:
    log.append(entries(0, 3))
    old = log.seal(signer)
    log.append(entries(3, 300))

    def broken(text: str) -> list[Signature]:
        raise StorageError("the key is locked", code="key-locked", hint="unlock it")

    refused(StorageError, "key-locked", log.seal, broken)
    assert log.checkpoint() == old
    assert open_checkpoint(log.seal(signer), LOG).checkpoint.size == 300
    assert list(log.entries(0, 300)) == entries(0, 300)
    log.scrub()


def test_witnesses_are_attached_to_the_newest_checkpoint_alone(log: FileLog, tmp_path: Path) -> None:
    refused(StorageError, "checkpoint-moved", log.cosign, "nothing sealed yet\n", [])
    log.append(entries(0, 3))
    old = log.seal(signer)
    old_text = log_text(log)
    data = log.cosign(old_text, [cosign(old, WITNESS, WITNESS_PRIVATE, 5)])
    assert open_checkpoint(data, LOG, [WITNESS], 1).cosignatures[0].timestamp_s == 5
    later = log.cosign(old_text, [cosign(old, WITNESS, WITNESS_PRIVATE, 9)])
    assert open_checkpoint(later, LOG, [WITNESS], 1).cosignatures[0].timestamp_s == 9
    assert later.count(b"witness") == 1
    log.append(entries(3, 4))
    log.seal(signer)
    refused(StorageError, "checkpoint-moved", log.cosign, old_text, [cosign(old, WITNESS, WITNESS_PRIVATE, 9)])
    again = reopened(log, tmp_path / "log")
    assert again.checkpoint() == log.checkpoint()
    again.close()


def test_the_same_entry_is_found_by_its_leaf_hash(log: FileLog, tmp_path: Path) -> None:
    assert log.leaf_index(leaf_hash(entry(0))) is None
    log.append([*entries(0, 300), entry(5), entry(300)])
    assert log.leaf_index(leaf_hash(entry(5))) == 5
    assert log.leaf_index(leaf_hash(entry(300))) == 301
    log.append([entry(301), entry(301)])
    assert log.leaf_index(leaf_hash(entry(301))) == 302
    assert log.leaf_index(leaf_hash(b"never logged")) is None
    assert log.leaf_index(b"no hash") is None
    log.seal(signer)
    again = reopened(log, tmp_path / "log")
    assert again.leaf_index(leaf_hash(entry(5))) == 5
    again.close()


def test_a_large_index_finds_the_first_of_equal_entries(log: FileLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leafindex, "_RECENT", 64)
    log.append([entry(index % 900) for index in range(1000)])
    assert log.leaf_index(leaf_hash(entry(0))) == 0
    log.append([entry(index) for index in range(850, 1400)])
    for index in range(1400):
        assert log.leaf_index(leaf_hash(entry(index))) == (index if index < 900 else index + 150)
    assert log.leaf_index(leaf_hash(entry(1400))) is None


def test_equal_first_bytes_are_not_equal_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leafindex, "_RECENT", 2)
    row = [b"same key" + bytes([index]) * 24 for index in range(6)]
    index = leafindex.LeafIndex()
    index.extend(lambda start, stop: b"".join(row[start:stop]), 6)
    assert [index.find(leaf, lambda at: row[at]) for leaf in row] == list(range(6))
    assert index.find(b"same key" + b"\xff" * 24, lambda at: row[at]) is None


def test_a_second_writer_is_refused_by_the_pid_of_the_first(log: FileLog, tmp_path: Path) -> None:
    error = refused(BusyError, "log-busy", FileLog, tmp_path / "log", ORIGIN)
    assert str(os.getpid()) in error.message
    assert str(os.getpid()) in error.hint
    log.append(entries(0, 1))


def test_a_second_process_waits_for_the_first_and_then_writes(tmp_path: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from mooring.storage.filelog import FileLog\n"
        "with FileLog(Path(sys.argv[1]), sys.argv[2]) as log:\n"
        "    log.append([b'entry 0']); print('held', flush=True); sys.stdin.readline()\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "log"), ORIGIN]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdin is not None
        assert first.stdout is not None
        assert first.stdout.readline() == "held\n"
        began = time.monotonic()
        error = refused(BusyError, "log-busy", FileLog, tmp_path / "log", ORIGIN, wait_s=0.2)
        assert time.monotonic() - began >= 0.2
        assert str(first.pid) in error.message
        threading.Timer(0.2, first.stdin.write, ["\n"]).start()
        threading.Timer(0.25, first.stdin.close).start()
        with FileLog(tmp_path / "log", ORIGIN, wait_s=20) as second:
            assert second.append([b"entry 1"]) == range(1, 2)


def test_a_reader_sees_what_is_durable_and_sealed_while_the_writer_writes(log: FileLog, tmp_path: Path) -> None:
    log.append(entries(0, 300))
    checkpoint = log.seal(signer)
    log.append(entries(300, 310))
    with FileLog(tmp_path / "log", ORIGIN, read_only=True) as reader:
        assert (reader.size, reader.sealed, reader.checkpoint()) == (310, 300, checkpoint)
        assert list(reader.entries(0, 310)) == entries(0, 310)
        verify_inclusion(leaf_hash(entry(305)), 305, 310, reader.inclusion(305, 310), log.root(310))
        log.append(entries(310, 600))
        assert reader.size == 310
        assert reader.refresh() == 600
        newer = log.seal(signer)
        assert reader.entry(305) == entry(305)
        assert reader.refresh() == 600
        assert reader.checkpoint() == newer
        assert reader.leaf_index(leaf_hash(entry(599))) == 599
        assert reader.scrub().sealed == 600
        for work in (lambda: reader.append(entries(0, 1)), lambda: reader.seal(signer), lambda: reader.cosign("", [])):
            refused(StorageError, "read-only", work)
    assert log.refresh() == 600


def test_a_reader_of_no_log_is_told_so(tmp_path: Path) -> None:
    refused(NotFoundError, "log", FileLog, tmp_path / "log", ORIGIN, read_only=True)
    assert not (tmp_path / "log").exists()


def test_a_closed_log_refuses_everything_and_may_be_closed_again(log: FileLog) -> None:
    log.append(entries(0, 3))
    log.close()
    log.close()
    for work in (
        lambda: log.append(entries(0, 1)),
        lambda: log.entry(0),
        lambda: log.entries(0, 1),
        lambda: log.leaf(0),
        lambda: log.leaf_index(bytes(32)),
        lambda: log.root(0),
        lambda: log.inclusion(0, 1),
        lambda: log.consistency(0, 1),
        lambda: log.seal(signer),
        lambda: log.cosign("", []),
        log.scrub,
        log.refresh,
    ):
        refused(StorageError, "log-closed", work)


def test_a_log_opens_under_its_own_origin_alone(log: FileLog, tmp_path: Path) -> None:
    log.append(entries(0, 3))
    log.close()
    refused(CorruptError, "segment-header", FileLog, tmp_path / "log", "mooring.test/demo/receipts")
    with FileLog(tmp_path / "log", ORIGIN) as again:
        again.seal(signer)
    refused(CorruptError, "log-origin", FileLog, tmp_path / "log", "mooring.test/demo/receipts")
    refused(ProofError, "checkpoint", FileLog, tmp_path / "log", "two\nlines")


def test_a_checkpoint_that_the_entries_do_not_bear_out_is_never_extended(log: FileLog, tmp_path: Path) -> None:
    log.append(entries(0, 3))
    log.seal(signer)
    path = tmp_path / "log" / "public" / "checkpoint"
    good = path.read_bytes()
    path.write_bytes(sign_checkpoint(Checkpoint(ORIGIN, 3, leaf_hash(b"forged")), LOG, LOG_PRIVATE))
    log.append(entries(3, 4))
    refused(CorruptError, "checkpoint-inconsistent", log.seal, signer)
    refused(CorruptError, "checkpoint-inconsistent", log.scrub)
    log.close()
    refused(CorruptError, "tile", FileLog, tmp_path / "log", ORIGIN)
    refused(CorruptError, "checkpoint-inconsistent", FileLog, tmp_path / "log", ORIGIN, rebuild=True)
    path.write_bytes(sign_checkpoint(Checkpoint(ORIGIN, 9, leaf_hash(b"forged")), LOG, LOG_PRIVATE))
    refused(CorruptError, "checkpoint-inconsistent", FileLog, tmp_path / "log", ORIGIN, rebuild=True)
    path.write_bytes(b"no note")
    refused(CorruptError, "checkpoint", FileLog, tmp_path / "log", ORIGIN)
    path.write_bytes(good)
    with FileLog(tmp_path / "log", ORIGIN) as again:
        assert open_checkpoint(again.seal(signer), LOG).checkpoint.size == 4


def test_lost_tiles_and_bundles_are_made_again_from_the_segments(log: FileLog, tmp_path: Path) -> None:
    log.append(entries(0, 600))
    log.seal(signer)
    log.append(entries(600, 605))
    log.close()
    public = tmp_path / "log" / "public"
    before = files(public)
    for name in before:
        if name != "checkpoint":
            (public / name).unlink()
    refused(NotFoundError, "tile", FileLog, tmp_path / "log", ORIGIN)
    with FileLog(tmp_path / "log", ORIGIN, rebuild=True) as again:
        assert files(public) == before
        assert again.scrub().sealed == 600
        assert list(again.entries(0, 605)) == entries(0, 605)


def test_a_full_tile_stands_in_for_a_partial_one_that_was_removed(log: FileLog, tmp_path: Path) -> None:
    log.append(entries(0, 300))
    log.seal(signer)
    public = tmp_path / "log" / "public"
    old = (public / "checkpoint").read_bytes()
    log.append(entries(300, 600))
    log.seal(signer)
    log.close()
    (public / "checkpoint").write_bytes(old)
    with FileLog(tmp_path / "log", ORIGIN) as again:
        assert (again.size, again.sealed) == (600, 300)
        assert [again.entry(index) for index in (0, 299, 300, 599)] == [entry(0), entry(299), entry(300), entry(599)]
        assert again.scrub().size == 600


def test_a_small_cache_gives_the_same_proofs(tmp_path: Path) -> None:
    with FileLog(tmp_path / "log", ORIGIN, cached_tiles=1) as log:
        log.append(entries(0, 1500))
        log.seal(signer)
        root = log.root(1500)
        for index in random.Random(1).sample(range(1500), 200):
            verify_inclusion(leaf_hash(entry(index)), index, 1500, log.inclusion(index, 1500), root)


def test_one_thread_appends_one_seals_and_many_read(log: FileLog) -> None:
    stop = threading.Event()
    failures: list[BaseException] = []

    def guarded(work: Callable[[random.Random], None], seed: int) -> threading.Thread:
        def run() -> None:
            randomness = random.Random(seed)
            try:
                while not stop.is_set():
                    work(randomness)
            except BaseException as error:  # noqa: BLE001 - whatever it is, the test must fail by it
                failures.append(error)
                stop.set()

        return threading.Thread(target=run)

    def append(randomness: random.Random) -> None:
        size = log.size
        log.append(entries(size, size + randomness.randint(1, 70)))

    def seal(randomness: random.Random) -> None:
        log.seal(signer)
        stop.wait(randomness.random() / 50)

    def read(randomness: random.Random) -> None:
        size = log.size
        if size == 0:
            return
        root, index = log.root(size), randomness.randrange(size)
        assert log.entry(index) == entry(index)
        verify_inclusion(leaf_hash(entry(index)), index, size, log.inclusion(index, size), root)
        old = randomness.randint(0, size)
        verify_consistency(old, log.root(old), size, root, log.consistency(old, size))
        start = max(size - 300, 0)
        assert list(log.entries(start, size)) == entries(start, size)

    threads = [guarded(append, 1), guarded(seal, 2), *(guarded(read, seed) for seed in (3, 4, 5))]
    for thread in threads:
        thread.start()
    stop.wait(2.0)
    stop.set()
    for thread in threads:
        thread.join()
    assert failures == []
    assert log.size > 300
    assert log.sealed > 0
    assert log.scrub().size == log.size


class Model(RuleBasedStateMachine):
    """A log beside a plain list of what was appended."""

    @initialize(segment=st.sampled_from([512, 4096, 1 << 16]))
    def begin(self, segment: int) -> None:
        folder = Path(tempfile.mkdtemp())
        self.folder, self.segment, self.logged, self.sealed = folder, segment, list[bytes](), 0
        self.roots: dict[int, bytes] = {0: EMPTY_ROOT}
        self.log = self.open()

    def open(self, **named: Any) -> FileLog:
        return FileLog(self.folder, ORIGIN, segment_bytes=self.segment, cached_tiles=2, **named)

    @rule(batch=st.lists(st.binary(max_size=300), max_size=40))
    def append(self, batch: list[bytes]) -> None:
        assert self.log.append(batch) == range(len(self.logged), len(self.logged) + len(batch))
        self.logged += batch

    @rule(count=st.integers(1, 400))
    def append_many(self, count: int) -> None:
        self.append([b"%d" % number for number in range(count)])

    @rule()
    def seal(self) -> None:
        checkpoint = open_checkpoint(self.log.seal(signer), LOG).checkpoint
        self.sealed = checkpoint.size
        assert self.sealed == len(self.logged)
        assert checkpoint.root == root_of_leaves(map(leaf_hash, self.logged))
        self.roots[self.sealed] = checkpoint.root

    @rule(rebuild=st.booleans())
    def reopen(self, rebuild: bool) -> None:
        self.log.close()
        self.log = self.open(rebuild=rebuild)

    @rule()
    def read_beside(self) -> None:
        with self.open(read_only=True) as reader:
            assert list(reader.entries(0, reader.size)) == self.logged

    @precondition(lambda self: self.logged)
    @rule(data=st.data())
    def prove(self, data: st.DataObject) -> None:
        size = data.draw(st.integers(1, len(self.logged)))
        index = data.draw(st.integers(0, size - 1))
        root = self.log.root(size)
        assert self.log.entry(index) == self.logged[index]
        verify_inclusion(leaf_hash(self.logged[index]), index, size, self.log.inclusion(index, size), root)
        for old, old_root in self.roots.items():
            if old <= size:
                verify_consistency(old, old_root, size, root, self.log.consistency(old, size))
        assert self.log.leaf_index(leaf_hash(self.logged[index])) == self.logged.index(self.logged[index])

    @rule()
    def scrub(self) -> None:
        report = self.log.scrub()
        assert (report.size, report.sealed) == (len(self.logged), self.sealed)

    @invariant()
    def agree(self) -> None:
        if hasattr(self, "log"):
            assert (self.log.size, self.log.sealed) == (len(self.logged), self.sealed)

    def teardown(self) -> None:
        if hasattr(self, "log"):
            self.log.close()
            shutil.rmtree(self.folder)


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
