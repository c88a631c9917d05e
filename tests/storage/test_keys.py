"""Private keys in memory."""

from __future__ import annotations

import pickle

import pytest

from mooring.errors import StorageError
from mooring.proofs.keys import Kind
from mooring.storage.keys import SigningKey


@pytest.mark.parametrize("kind", ["ed25519", "p256", "secp256k1"])
def test_a_key_survives_its_der(kind: Kind) -> None:
    key = SigningKey.generate(kind)
    again = SigningKey.from_der(key.to_der())
    assert again.public == key.public
    key.public.verify(again.sign(b"message"), b"message")


@pytest.mark.parametrize("der", [b"", b"SECRET", bytes(100)])
def test_der_that_holds_no_key_is_refused_and_not_shown(der: bytes) -> None:
    with pytest.raises(StorageError) as caught:
        SigningKey.from_der(der)
    assert caught.value.code == "key-format"
    assert "SECRET" not in caught.value.message
    assert caught.value.__suppress_context__


def test_a_key_shows_its_public_part_alone_and_is_not_pickled() -> None:
    key = SigningKey.generate("secp256k1")
    assert repr(key) == f"SigningKey(secp256k1, keyid={key.public.keyid})"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(key)
