"""What every key store promises, over every adapter; a KMS adapter must pass this suite too."""

from __future__ import annotations

import logging
import traceback
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path

import coincurve
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mooring.errors import MooringError, NotFoundError, ProofError, StorageError
from mooring.proofs.keys import Kind
from mooring.storage.keyenv import EnvironmentKeys
from mooring.storage.keyfiles import KeyFiles
from mooring.storage.passphrase import Cost
from mooring.storage.port import KeyManagement, WrappingKeys

KINDS: tuple[Kind, ...] = ("ed25519", "p256", "secp256k1")
CHEAP = Cost(1 << 14)
SECP256K1_HALF = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141 // 2

Private = Ed25519PrivateKey | ec.EllipticCurvePrivateKey
Make = Callable[[dict[str, bytes]], KeyManagement]


def private_key(kind: Kind) -> Private:
    if kind == "ed25519":
        return Ed25519PrivateKey.generate()
    return ec.generate_private_key(ec.SECP256R1() if kind == "p256" else ec.SECP256K1())


def pem_of(key: Private) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.fixture(params=["files", "environment"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Returns a store that holds the given keys, name → PEM."""

    def files(pems: dict[str, bytes]) -> KeyManagement:
        store = KeyFiles(tmp_path / "keys", lambda: "correct horse", cost=CHEAP)
        for name, pem in pems.items():
            store.import_(name, pem)
        return KeyFiles(tmp_path / "keys", lambda: "correct horse", cost=CHEAP)

    def environment(pems: dict[str, bytes]) -> KeyManagement:
        variables = {f"MOORING_KEY_{name.upper().replace('-', '_')}": pem.decode() for name, pem in pems.items()}
        return EnvironmentKeys({"PATH": "/bin", **variables})

    return files if request.param == "files" else environment


def test_an_empty_store_has_no_names(make: Make) -> None:
    assert make({}).names() == ()


def test_names_are_sorted(make: Make) -> None:
    pem = pem_of(private_key("ed25519"))
    assert make({"b": pem, "hospital-a": pem, "a1": pem}).names() == ("a1", "b", "hospital-a")


@pytest.mark.parametrize("kind", KINDS)
def test_a_signature_verifies_under_the_public_part_and_over_nothing_else(make: Make, kind: Kind) -> None:
    store = make({"mine": pem_of(private_key(kind)), "other": pem_of(private_key(kind))})
    signature = store.sign("mine", b"message")
    assert store.public("mine").kind == kind
    store.public("mine").verify(signature, b"message")
    for key, message in (("mine", b"massage"), ("other", b"message")):
        with pytest.raises(ProofError):
            store.public(key).verify(signature, message)


def test_a_chain_signature_recovers_the_signers_key_and_has_a_low_s(make: Make) -> None:
    private = private_key("secp256k1")
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    store = make({"chain": pem_of(private)})
    for number in range(20):
        digest = number.to_bytes(32, "big")
        signature = store.sign_digest("chain", digest)
        assert len(signature) == 65
        assert signature[64] in (0, 1)
        assert 0 < int.from_bytes(signature[32:64], "big") <= SECP256K1_HALF
        recovered = coincurve.PublicKey.from_signature_and_message(signature, digest, hasher=None)
        numbers = private.public_key().public_numbers()
        assert recovered.point() == (numbers.x, numbers.y)


def test_the_address_is_that_of_the_public_part(make: Make) -> None:
    # The address of private key 1, as in every EVM test suite.
    one = ec.derive_private_key(1, ec.SECP256K1())
    store = make({"chain": pem_of(one)})
    assert store.address("chain") == "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"


@pytest.mark.parametrize("kind", ["ed25519", "p256"])
def test_a_key_of_another_kind_has_no_address_and_signs_no_chain_digest(make: Make, kind: Kind) -> None:
    store = make({"mine": pem_of(private_key(kind))})
    with pytest.raises(ProofError) as no_address:
        store.address("mine")
    with pytest.raises(StorageError) as no_digest:
        store.sign_digest("mine", bytes(32))
    assert no_address.value.code == no_digest.value.code == "key-kind"


def test_a_digest_that_is_not_32_bytes_is_not_signed(make: Make) -> None:
    store = make({"chain": pem_of(private_key("secp256k1"))})
    with pytest.raises(StorageError) as caught:
        store.sign_digest("chain", bytes(31))
    assert caught.value.code == "digest-size"


def test_an_unknown_key_is_not_found_whatever_is_asked(make: Make) -> None:
    store = make({"mine": pem_of(private_key("ed25519"))})
    for ask in (store.public, store.retired, store.address, lambda name: store.sign(name, b"")):
        with pytest.raises(NotFoundError, match="theirs") as caught:
            ask("theirs")
        assert caught.value.code == "key-not-found"


@pytest.mark.parametrize("name", ["", "-a", "A", "a b", "a/b", "..", "a" * 65, "ключ", "a_b", "a.key"])
def test_a_name_that_could_be_a_path_is_refused(make: Make, name: str) -> None:
    store = make({})
    with pytest.raises(StorageError) as caught:
        store.public(name)
    assert caught.value.code == "key-name"


def test_a_key_that_was_never_rotated_has_no_past(make: Make) -> None:
    assert make({"mine": pem_of(private_key("ed25519"))}).retired("mine") == ()


@pytest.mark.parametrize("kind", KINDS)
def test_no_key_shows_in_repr_error_or_log(make: Make, kind: Kind, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    private = private_key(kind)
    store = make({"mine": pem_of(private)})
    store.sign("mine", b"message")
    shown = [repr(store), f"{store}", caplog.text]
    for ask in (lambda: store.sign("theirs", b""), lambda: store.sign_digest("mine", b"")):
        try:
            ask()
        except MooringError as error:
            shown.append("".join(traceback.format_exception(error)))
    assert len(shown) == 5
    scalar = secret_of(private)
    der = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    text = "".join(shown)
    encodings = (bytes.hex, lambda data: repr(data)[2:-1], lambda data: b64encode(data).decode())
    secrets = [encode(data) for encode in encodings for data in (scalar, der)]
    secrets += [str(int.from_bytes(scalar, "big")), "correct horse"]
    for secret in secrets:
        assert secret not in text


def secret_of(private: Private) -> bytes:
    if isinstance(private, Ed25519PrivateKey):
        return private.private_bytes_raw()
    return private.private_numbers().private_value.to_bytes(32, "big")


def test_both_adapters_have_keys_that_wrap(tmp_path: Path) -> None:
    stores: list[WrappingKeys] = [
        KeyFiles(tmp_path, lambda: "p", cost=CHEAP),
        EnvironmentKeys({"MOORING_WRAP_PEOPLE": "0f" * 32}),
    ]
    for store in stores:
        assert len(store.wrapping_key("people")) == 32
        assert store.wrapping_key("people") == store.wrapping_key("people")
