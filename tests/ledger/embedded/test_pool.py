from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mooring.errors import LedgerRefused
from mooring.ledger.embedded import pool as module
from mooring.ledger.embedded.pool import Pool, Pooled
from mooring.ledger.embedded.transaction import Transaction


def _transaction(sender: int, nonce: int, fee: int = 0, tip: int | None = None, salt: int = 0) -> Transaction:
    tx_hash = bytes([sender, nonce, salt]) + fee.to_bytes(29, "big")
    tip = fee if tip is None else tip
    return Transaction(b"", tx_hash, bytes([sender]) * 20, nonce, 21_000, fee, tip, 21_000 * fee, None)


def _filled(*transactions: Transaction) -> Pool:
    pool = Pool()
    for arrival, transaction in enumerate(transactions):
        pool.add(Pooled(arrival, transaction))
    return pool


def _drain(pool: Pool, nonces: dict[bytes, int] | None = None) -> list[Transaction]:
    queue = pool.queue(lambda sender: (nonces or {}).get(sender, 0), 100)
    taken = []
    while queue:
        taken.append(queue.head)
        queue.included()
    return taken


def test_first_come_first_served_as_far_as_nonces_allow() -> None:
    late = _transaction(1, 1)
    other, early = _transaction(2, 0), _transaction(1, 0)
    assert _drain(_filled(late, other, early)) == [other, early, late]


def test_nothing_after_a_gap_is_offered() -> None:
    first, after_gap = _transaction(1, 0), _transaction(1, 2)
    pool = _filled(first, after_gap)
    assert _drain(pool) == [first]
    assert pool.next_nonce(bytes([1]) * 20, 0) == 1


def test_a_sender_that_is_passed_over_holds_nobody_else_up() -> None:
    pool = _filled(_transaction(1, 0), _transaction(1, 1), _transaction(2, 0))
    queue = pool.queue(lambda _: 0, 100)
    queue.passed_over()
    assert queue.head.sender == bytes([2]) * 20
    queue.included()
    assert not queue


def test_a_copied_queue_starts_again() -> None:
    queue = _filled(_transaction(1, 0), _transaction(1, 1)).queue(lambda _: 0, 100)
    copy = queue.copy()
    copy.included()
    copy.included()
    assert queue.head.nonce == 0


_ENTRIES = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 5)), max_size=40)


@given(entries=_ENTRIES, start=st.dictionaries(st.integers(1, 4), st.integers(0, 5)))
def test_every_offer_follows_the_nonce_before_it(entries: list[tuple[int, int]], start: dict[int, int]) -> None:
    nonces = {bytes([sender]) * 20: nonce for sender, nonce in start.items()}
    pool = _filled(*(_transaction(*entry, salt=number) for number, entry in enumerate(entries)))
    expected = dict(nonces)
    offered = _drain(pool, nonces)
    for transaction in offered:
        assert transaction.nonce == expected.get(transaction.sender, 0)
        expected[transaction.sender] = transaction.nonce + 1
    assert len({transaction.hash for transaction in offered}) == len(offered)
    for sender in range(1, 5):
        address = bytes([sender]) * 20
        assert expected.get(address, 0) == pool.next_nonce(address, nonces.get(address, 0))


@given(entries=_ENTRIES)
def test_hashes_and_senders_stay_in_step(entries: list[tuple[int, int]]) -> None:
    pool = Pool()
    for number, (sender, nonce) in enumerate(entries):
        pool.add(Pooled(number, _transaction(sender, nonce, salt=number)))
    assert len(pool) == len(set(entries)) == len(list(pool))
    for pooled in list(pool):
        assert pool.find(pooled.transaction.hash) is pooled.transaction
        pool.remove(pooled.transaction.hash)
        pool.remove(pooled.transaction.hash)
    assert len(pool) == 0
    assert not pool.queue(lambda _: 0, 100)


@pytest.mark.parametrize(
    ("fee", "tip", "least_fee", "least_tip"),
    [(0, 0, 1, 1), (1, 1, 2, 2), (10, 10, 11, 11), (100, 50, 110, 55), (101, 7, 112, 8)],
)
def test_a_replacement_pays_ten_percent_more_of_both_rounded_up(
    fee: int, tip: int, least_fee: int, least_tip: int
) -> None:
    held = _transaction(1, 0, fee, tip)
    pool = _filled(held)
    assert pool.rival(_transaction(1, 0, least_fee, least_tip, salt=1)) == Pooled(0, held)
    for short in ((least_fee - 1, least_tip), (least_fee, least_tip - 1)):
        with pytest.raises(LedgerRefused, match="replacement transaction underpriced"):
            pool.rival(_transaction(1, 0, *short, salt=1))


def test_a_full_pool_refuses_newcomers_and_still_takes_replacements(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_POOLED", 2)
    pool = _filled(_transaction(1, 0), _transaction(1, 1))
    with pytest.raises(LedgerRefused, match="txpool is full") as refusal:
        pool.rival(_transaction(2, 0))
    assert refusal.value.code == "pool-full"
    assert pool.rival(_transaction(1, 1, fee=5)) is not None


def test_a_transaction_that_came_too_late_to_replace_an_included_one_is_named() -> None:
    pool = _filled(_transaction(1, 0, salt=1), _transaction(1, 1), _transaction(2, 0))
    included = [_transaction(1, 0), _transaction(2, 0), _transaction(3, 0)]
    assert pool.rivals_of(included) == [_transaction(1, 0, salt=1).hash, _transaction(2, 0).hash]


def test_no_more_of_one_sender_is_offered_than_asked_for() -> None:
    pool = _filled(*(_transaction(1, nonce) for nonce in range(5)))
    queue = pool.queue(lambda _: 1, 2)
    queue.included()
    assert queue.head.nonce == 2
    queue.included()
    assert not queue


def test_a_hash_that_is_not_pooled_is_not_found() -> None:
    found: Any = Pool().find(bytes(32))
    assert found is None
