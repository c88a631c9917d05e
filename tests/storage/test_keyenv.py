"""Keys in environment variables."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mooring.errors import NotFoundError, StorageError
from mooring.storage.keyenv import EnvironmentKeys


def pem() -> str:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def test_it_reads_this_process_unless_told_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOORING_KEY_HOSPITAL_A", pem())
    assert "hospital-a" in EnvironmentKeys().names()
    assert "hospital-a" not in EnvironmentKeys({}).names()


def test_line_ends_may_be_written_out() -> None:
    text = pem()
    store = EnvironmentKeys({"MOORING_KEY_A": text, "MOORING_KEY_B": text.replace("\n", "\\n")})
    assert store.public("a") == store.public("b")


def test_a_changed_variable_is_read_anew() -> None:
    environment = {"MOORING_KEY_A": pem()}
    store = EnvironmentKeys(environment)
    before = store.public("a")
    environment["MOORING_KEY_A"] = pem()
    assert store.public("a") != before


@pytest.mark.parametrize("text", ["", "SECRET", "\udcff"])
def test_a_variable_that_holds_no_key_is_named_and_not_shown(text: str) -> None:
    store = EnvironmentKeys({"MOORING_KEY_A": text})
    with pytest.raises(StorageError, match=r"\$MOORING_KEY_A") as caught:
        store.public("a")
    assert caught.value.code == "key-format"
    assert "SECRET" not in str(caught.value) + caught.value.hint


def test_variables_that_name_no_key_are_passed_over() -> None:
    assert EnvironmentKeys({"MOORING_KEY_": "", "MOORING_KEY_a": "", "XMOORING_KEY_A": ""}).names() == ()


def test_a_missing_variable_is_named() -> None:
    store = EnvironmentKeys({})
    with pytest.raises(NotFoundError, match=r"\$MOORING_KEY_HOSPITAL_A"):
        store.sign("hospital-a", b"")
    with pytest.raises(NotFoundError, match=r"\$MOORING_WRAP_PEOPLE"):
        store.wrapping_key("people")


@pytest.mark.parametrize("text", ["", "00" * 31, "00" * 33, "zz" * 32, "00" * 32 + "\n"])
def test_a_wrapping_key_that_is_not_64_hex_digits_is_refused(text: str) -> None:
    assert EnvironmentKeys({"MOORING_WRAP_PEOPLE": "ab" * 32}).wrapping_key("people") == b"\xab" * 32
    with pytest.raises(StorageError) as caught:
        EnvironmentKeys({"MOORING_WRAP_PEOPLE": text}).wrapping_key("people")
    assert caught.value.code == "key-format"
