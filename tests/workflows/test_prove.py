"""An entry's proof is against the newest checkpoint, or there is none yet."""

from __future__ import annotations

import pytest
from tests.workflows.acts import agree

from mooring.errors import NotFoundError
from mooring.proofs import merkle
from mooring.proofs.checkpoint import read_checkpoint
from mooring.wiring.session import Session
from mooring.workflows.prove import inclusion_of


def test_a_covered_entry_is_proved_and_one_beyond_is_unknown(registered: Session) -> None:
    registered.anchor()
    agree(registered, by=("bob",))
    note = registered.checkpoint("records")
    with registered.read("records") as log:
        proof = inclusion_of(log, 1, note)
        entry = log.entry(1)
        assert log.size == 3
        for index in (2, 3, -1):
            with pytest.raises(NotFoundError) as caught:
                inclusion_of(log, index, note)
            assert caught.value.code == "unknown-entry"
    assert (proof.index, proof.size, proof.checkpoint) == (1, 2, note)
    merkle.verify_inclusion(merkle.leaf_hash(entry), 1, 2, list(proof.path), read_checkpoint(note)[0].root)
