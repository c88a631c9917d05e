"""The outbox: one order under one key, one nonce for one order, whoever asks and whatever breaks."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from tests.ledger.accounts import Accounts

from mooring.errors import BusyError, ConfigError, CorruptError, LedgerRefused, StorageError
from mooring.ledger import outbox as outbox_module
from mooring.ledger.outbox import Attempt, Entry, Order, Outbox
from mooring.ledger.transaction import Draft, Fees, sign

ACCOUNTS = Accounts()
SENDER = bytes.fromhex(ACCOUNTS.address("a0")[2:])


def order(key: str, data: bytes = b"") -> Order:
    return Order(key, "a0", SENDER, Draft(SENDER, data or key.encode(), 50_000))


def signed(one: Order, nonce: int, fee: int = 1) -> Attempt:
    fees = Fees(fee, fee)
    return Attempt(sign(ACCOUNTS, one.account, 1, nonce, one.draft, fees), nonce, fees, 5.0, None)


def add(box: Outbox, *keys: str, least: int = 0) -> list[Entry]:
    return box.add([order(key) for key in keys], lambda sender: least, signed)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "folder" / "outbox.sqlite"


def open_box(path: Path, chain: str = "eip155:1/0x00") -> closing[Outbox]:
    return closing(Outbox(path, chain, lambda: 7.0))


def test_orders_get_nonces_in_order_and_are_found_again_after_a_restart(path: Path) -> None:
    with open_box(path) as box:
        assert [entry.nonce for entry in add(box, "a", "b")] == [0, 1]
        assert [entry.nonce for entry in add(box, "c", least=7)] == [7]
        assert [entry.nonce for entry in add(box, "d", least=3)] == [8]
    with open_box(path) as box:
        entry = box.find("b")
        assert entry is not None
        assert (entry.order, entry.nonce, entry.block) == (order("b"), 1, None)
        (attempt,) = box.attempts("b")
        assert attempt == signed(order("b"), 1)
        assert box.find_hash(attempt.signed.hash) == entry
        assert (box.find("z"), box.find_hash(bytes(32)), box.attempts("z")) == (None, None, [])


def test_a_known_key_gets_nothing_new_and_another_order_under_it_is_refused(path: Path) -> None:
    with open_box(path) as box:
        first = add(box, "a")
        assert add(box, "a", "b")[0] == first[0]
        for other in (order("a", b"other"), Order("a", "b0", bytes(20), Draft(SENDER, b"a", 1))):
            with pytest.raises(LedgerRefused) as caught:
                box.add([order("new"), other], lambda sender: 0, signed)
            assert caught.value.code == "key-reused"
        assert box.find("new") is None


def test_a_signer_that_fails_leaves_nothing_and_uses_no_nonce(path: Path) -> None:
    def failing(one: Order, nonce: int) -> Attempt:
        if one.key == "b":
            raise RuntimeError("the key store is locked")
        return signed(one, nonce)

    with open_box(path) as box:
        with pytest.raises(RuntimeError):
            box.add([order("a"), order("b")], lambda sender: 0, failing)
        assert box.find("a") is None
        assert add(box, "c")[0].nonce == 0


def test_chains_in_one_file_do_not_see_each_other(path: Path) -> None:
    with open_box(path) as box, open_box(path, "eip155:1/0x01") as reset:
        add(box, "a")
        assert reset.find("a") is None
        assert add(reset, "a")[0].nonce == 0
        assert (len(box.senders()), len(reset.waiting(SENDER, 0))) == (1, 1)


def test_many_threads_and_connections_never_share_a_nonce(path: Path) -> None:
    with open_box(path) as one, open_box(path) as other:

        def work(number: int) -> int:
            return add((one, other)[number % 2], f"key {number}", f"same {number // 2}")[0].nonce

        with ThreadPoolExecutor(8) as pool:
            nonces = list(pool.map(work, range(40)))
        assert len(set(nonces)) == 40
        assert sorted(entry.nonce for entry in one.waiting(SENDER, 0)) == list(range(60))


def test_an_amendment_is_made_once_by_whoever_is_first(path: Path) -> None:
    with open_box(path) as box:
        (entry,) = add(box, "a")
        newest = box.attempts("a")[-1].signed
        assert box.amend("a", newest, lambda now: signed(now.order, now.nonce, 2))
        assert not box.amend("a", newest, lambda now: signed(now.order, now.nonce, 3))
        assert not box.amend("z", newest, lambda now: signed(now.order, now.nonce, 3))
        assert [attempt.fees.max_fee for attempt in box.attempts("a")] == [1, 2]
        again = box.attempts("a")[-1].signed
        assert box.amend("a", again, lambda now: signed(now.order, now.nonce, 4), nonce=lambda one: 9)
        moved = box.find("a")
        assert moved is not None
        assert (entry.nonce, moved.nonce, box.attempts("a")[-1].nonce) == (0, 9, 9)
        assert box.find_hash(newest.hash) == moved


def test_what_the_node_took_is_not_unsent_and_what_is_final_does_not_wait(path: Path) -> None:
    with open_box(path) as box:
        add(box, "a", "b")
        box.amend("a", box.attempts("a")[-1].signed, lambda now: signed(now.order, now.nonce, 2))
        assert [entry.order.key for entry in box.unsent(SENDER)] == ["a", "b"]
        box.sent([box.attempts("a")[-1].signed.hash])
        assert [entry.order.key for entry in box.unsent(SENDER)] == ["b"]
        assert [attempt.sent_s for attempt in box.attempts("a")] == [7.0, 7.0]
        box.settle("b", 12)
        box.settle("b", 13)
        settled = box.find("b")
        assert settled is not None
        assert settled.block == 12
        assert box.unsent(SENDER) == []
        assert [entry.order.key for entry in box.waiting(SENDER, 0)] == ["a"]
        assert box.waiting(SENDER, 1) == []
        assert box.unsent(bytes(20)) == []


def test_fees_beyond_64_bits_are_kept_exactly(path: Path) -> None:
    with open_box(path) as box:
        box.add([order("a")], lambda sender: 0, lambda one, nonce: signed(one, nonce, 2**200))
        assert box.attempts("a")[0].fees == Fees(2**200, 2**200)


def test_a_place_that_is_asked_for_exactly_is_given(path: Path) -> None:
    with open_box(path) as box:
        add(box, "late", least=5)
        (entry,) = box.add([order("gap")], lambda sender: 4, signed, exactly=True)
        assert entry.nonce == 4
        assert [one.order.key for one in box.waiting(SENDER, 0)] == ["gap", "late"]


def test_a_file_that_is_something_else_is_refused_and_left_alone(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as other:
        other.execute("PRAGMA application_id = 1")
        other.execute("CREATE TABLE mine (x)")
    before = path.read_bytes()
    with pytest.raises(ConfigError) as caught:
        open_box(path)
    assert caught.value.code == "outbox-file"
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(b"not a database" * 500),
        lambda path: sqlite3.connect(path).executescript("CREATE TABLE entry (x);"),
    ],
)
def test_a_damaged_file_is_named_corrupt(path: Path, spoil: Callable[[Path], object]) -> None:
    path.parent.mkdir()
    spoil(path)
    with pytest.raises(CorruptError) as caught:
        open_box(path)
    assert caught.value.code == "outbox-corrupt"


def test_a_file_that_cannot_be_opened_is_an_error_of_the_disk(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError) as caught:
        open_box(tmp_path / "folder")
    assert caught.value.code == "outbox-io"


def test_a_file_held_by_another_program_is_waited_for_and_then_named_busy(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox_module, "_WAIT_S", 0.2)
    with open_box(path) as box, closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(BusyError) as caught:
            add(box, "a")
        assert caught.value.code == "outbox-busy"
        threading.Timer(0.05, other.execute, ("COMMIT",)).start()
        assert add(box, "a")
