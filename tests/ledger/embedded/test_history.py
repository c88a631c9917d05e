from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mooring.errors import CorruptError, NotFoundError

TARGET = "0x" + "42" * 20


@pytest.fixture
def reopened(chain: Any, open_chain: Callable[..., Any]) -> Callable[[bytes], Any]:
    """Close a chain of one block, take a value out of its file, open it again."""
    chain.mined(chain.send(to=TARGET))
    chain.header = chain.node.head

    def make(lost: bytes) -> Any:
        with chain.node.database.transaction() as sql:
            assert sql.execute("DELETE FROM kv WHERE k = ?", (lost,)).rowcount == 1
        chain.node.close()
        return open_chain()

    make.header = chain.header  # type: ignore[attr-defined]
    return make


def test_blocks_are_found_by_number_and_hash_and_nowhere_else(chain: Any) -> None:
    chain.mined(chain.send(to=TARGET))
    history, head = chain.node.history, chain.node.head
    assert history.header(1).hash == history.header_by_hash(head.hash).hash == history.newest().hash == head.hash
    with pytest.raises(NotFoundError, match="block 2 is not on this chain"):
        history.header(2)
    with pytest.raises(NotFoundError, match="is not on this chain"):
        history.header_by_hash(bytes(32))
    assert history.find(bytes(32)) is None


def test_a_block_that_was_lost_is_not_taken_for_one_that_never_was(reopened: Any) -> None:
    again = reopened(b"block-number-to-hash:0")
    assert again.node.history.header(1).block_number == 1
    with pytest.raises(CorruptError, match="has lost block 0"):
        again.node.history.header(0)


@pytest.mark.parametrize(("root", "read"), [("transaction_root", "transactions"), ("receipt_root", "receipts")])
def test_lost_parts_of_a_block_are_reported(reopened: Any, root: str, read: str) -> None:
    header = reopened.header
    again = reopened(getattr(header, root))
    with pytest.raises(CorruptError, match=f"has lost {read} of block 1"):
        getattr(again.node.history, read)(header)
