"""Public keys and their signatures."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from hashlib import sha256

import pytest
from coincurve import PrivateKey, PublicKeyXOnly
from coincurve import PublicKey as CoincurveKey
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from eth_account import Account
from eth_account.messages import encode_defunct
from eth_utils import keccak, to_checksum_address
from hypothesis import given, settings
from hypothesis import strategies as st

from mooring.errors import ProofError
from mooring.proofs.keccak import keccak256
from mooring.proofs.keys import Kind, PublicKey, checksum_address

N = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
SECRETS = st.integers(1, N - 1).map(lambda number: number.to_bytes(32, "big"))

RFC_8032 = [  # §7.1 TEST 1, 2, 3: public key, message, signature
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
    ),
]


def p256() -> tuple[ec.EllipticCurvePrivateKey, PublicKey]:
    secret = ec.derive_private_key(7, ec.SECP256R1())
    return secret, PublicKey.from_spki(spki(secret.public_key()))


def chain_account(secret: bytes = b"\x01" * 32) -> tuple[PrivateKey, PublicKey]:
    key = PrivateKey(secret)
    return key, PublicKey.from_raw("secp256k1", key.public_key.format(compressed=False))


def sign_digest(key: PrivateKey, digest: bytes) -> bytes:
    signature = key.sign_recoverable(digest, hasher=None)
    return signature[:64] + bytes([signature[64] + 27])


def spki(key: object) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def refused(code: str, key: PublicKey, signature: bytes, message: bytes) -> None:
    with pytest.raises(ProofError) as caught:
        key.verify(signature, message)
    assert caught.value.code == code
    assert caught.value.hint


@pytest.mark.parametrize(("public", "message", "signature"), RFC_8032)
def test_the_signatures_of_rfc_8032_verify_and_their_neighbours_do_not(
    public: str, message: str, signature: str
) -> None:
    key = PublicKey.from_raw("ed25519", bytes.fromhex(public))
    good, text = bytes.fromhex(signature), bytes.fromhex(message)
    key.verify(good, text)
    refused("signature", key, good, text + b"\0")
    refused("signature", key, good[:63] + bytes([good[63] ^ 1]), text)


def test_an_ed25519_signature_with_s_beyond_the_group_order_is_refused() -> None:
    public, message, signature = (bytes.fromhex(text) for text in RFC_8032[1])
    order = (1 << 252) + 27742317777372353535851937790883648493  # RFC 8032 §5.1
    s = int.from_bytes(signature[32:], "little") + order
    refused("signature", PublicKey.from_raw("ed25519", public), signature[:32] + s.to_bytes(32, "little"), message)


def test_the_p256_signature_of_rfc_6979_verifies_in_der_and_not_as_bare_numbers() -> None:
    # A.2.5, message "sample", SHA-256
    point = (
        "0460fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
        "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299"
    )
    r = 0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716
    s = 0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8
    key = PublicKey.from_raw("p256", bytes.fromhex(point))
    der = encode_dss_signature(r, s)
    key.verify(der, b"sample")
    refused("signature", key, der, b"Sample")
    refused("signature", key, r.to_bytes(32, "big") + s.to_bytes(32, "big"), b"sample")
    refused("signature", key, der + b"\0", b"sample")


def test_a_p256_signature_in_ber_that_is_not_der_is_refused() -> None:
    secret, key = p256()
    der = secret.sign(b"text", ec.ECDSA(hashes.SHA256()))
    key.verify(der, b"text")
    refused("signature", key, der[:1] + b"\x81" + der[1:], b"text")


def test_the_signature_of_eip_712_verifies_for_the_account_it_names() -> None:
    digest = bytes.fromhex("be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2")
    signature = bytes.fromhex(
        "4355c47d63924e8a72e509b65029052eb6c299d53a04e167c5775fd466751c9d"
        "07299936d304c153f6443dfa05f40ff007d72911b6f72307f996231605b91562"
        "1c"
    )
    cow, _ = chain_account(keccak256(b"cow"))
    key = PublicKey.from_raw("secp256k1", cow.public_key.format())
    assert key.address == "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"
    key.verify_digest(signature, digest)
    with pytest.raises(ProofError, match="not by this key"):
        key.verify_digest(signature, digest[:31] + b"\0")


def test_a_message_signed_by_a_chain_account_is_hashed_with_keccak() -> None:
    secret, key = chain_account()
    key.verify(sign_digest(secret, keccak256(b"text")), b"text")
    refused("signature", key, sign_digest(secret, sha256(b"text").digest()), b"text")


@settings(max_examples=40, deadline=None)
@given(SECRETS, st.binary(max_size=80))
def test_what_eth_account_signs_verifies_under_its_key_and_only_with_its_v(secret: bytes, message: bytes) -> None:
    account = Account.from_key(secret)
    _, key = chain_account(secret)
    signed = account.sign_message(encode_defunct(message))
    signature, digest = bytes(signed.signature), bytes(signed.message_hash)
    assert key.address == account.address
    key.verify_digest(signature, digest)
    for broken in (
        signature[:64] + bytes([55 - signature[64]]),
        signature[:64] + bytes([signature[64] - 27]),
        signature[:64],
        signature + b"\0",
    ):
        with pytest.raises(ProofError) as caught:
            key.verify_digest(broken, digest)
        assert caught.value.code == "signature"


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 64), st.integers(1, 255), st.binary(min_size=32, max_size=32))
def test_a_changed_signature_is_accepted_exactly_when_ecrecover_still_gives_the_key(
    position: int, change: int, digest: bytes
) -> None:
    secret, key = chain_account()
    changed = bytearray(sign_digest(secret, digest))
    changed[position] ^= change
    try:
        recovered = CoincurveKey.from_signature_and_message(
            bytes(changed[:64]) + bytes([changed[64] - 27]), digest, hasher=None
        ).format()
    except ValueError:
        recovered = b""
    assert recovered != secret.public_key.format()
    with pytest.raises(ProofError):
        key.verify_digest(bytes(changed), digest)


def test_the_other_s_of_a_chain_accounts_signature_is_refused_though_it_verifies() -> None:
    secret, key = chain_account()
    digest = keccak256(b"text")
    signature = sign_digest(secret, digest)
    key.verify_digest(signature, digest)
    s = N - int.from_bytes(signature[32:64], "big")
    other = signature[:32] + s.to_bytes(32, "big") + bytes([55 - signature[64]])
    recovered = CoincurveKey.from_signature_and_message(other[:64] + bytes([other[64] - 27]), digest, hasher=None)
    assert recovered.format() == secret.public_key.format()
    with pytest.raises(ProofError, match="upper half"):
        key.verify_digest(other, digest)


@pytest.mark.parametrize("number", [0, N, (1 << 256) - 1])
@pytest.mark.parametrize("place", [0, 32])
def test_r_and_s_outside_the_group_are_refused(number: int, place: int) -> None:
    secret, key = chain_account()
    digest = keccak256(b"text")
    signature = bytearray(sign_digest(secret, digest))
    signature[place : place + 32] = number.to_bytes(32, "big")
    with pytest.raises(ProofError, match="out of range"):
        key.verify_digest(bytes(signature), digest)


def test_a_digest_that_is_not_32_bytes_is_refused() -> None:
    secret, key = chain_account()
    with pytest.raises(ProofError, match="digest not 32"):
        key.verify_digest(sign_digest(secret, b"\1" * 32), b"\1" * 31)


def test_the_negation_of_a_key_does_not_pass_for_it() -> None:
    secret, key = chain_account()
    negated = PrivateKey((N - secret.to_int()).to_bytes(32, "big"))
    assert PublicKeyXOnly(negated.public_key.format()[1:]) == PublicKeyXOnly(secret.public_key.format()[1:])
    digest = keccak256(b"text")
    with pytest.raises(ProofError):
        key.verify_digest(sign_digest(negated, digest), digest)


@pytest.mark.parametrize("kind", ["ed25519", "p256", "secp256k1"])
def test_a_key_survives_every_form_it_is_written_in(kind: Kind) -> None:
    key = some_key(kind)
    pem = b"-----BEGIN PUBLIC KEY-----\n" + b64encode(key.spki) + b"\n-----END PUBLIC KEY-----\n"
    assert PublicKey.from_spki(key.spki) == PublicKey.from_pem(pem) == PublicKey.from_text(key.to_text()) == key
    assert json.loads(json.dumps(key.to_text())) == f"{kind}:{b64encode(key.spki).decode()}"
    assert key.kind == kind
    assert key.keyid == sha256(key.spki).hexdigest()
    assert hash(key) == hash(PublicKey(key.spki))


def test_a_compressed_point_gives_the_same_key_as_the_full_one() -> None:
    secret, key = chain_account()
    assert PublicKey.from_raw("secp256k1", secret.public_key.format(compressed=True)) == key
    with pytest.raises(ProofError):
        PublicKey.from_raw("secp256k1", b"\x02" + b"\xff" * 32)


@pytest.mark.parametrize(
    ("kind", "raw"),
    [("ed25519", b"\1" * 31), ("p256", b""), ("p256", b"\4" + b"\1" * 64), ("secp256k1", b"\6" + b"\1" * 64)],
)
def test_bytes_that_are_no_point_are_refused(kind: Kind, raw: bytes) -> None:
    with pytest.raises(ProofError) as caught:
        PublicKey.from_raw(kind, raw)
    assert caught.value.code == "key-format"


def unsupported() -> list[bytes]:
    return [
        spki(rsa.generate_private_key(65537, 2048).public_key()),
        spki(x25519.X25519PrivateKey.from_private_bytes(b"\1" * 32).public_key()),
        spki(ec.derive_private_key(7, ec.SECP384R1()).public_key()),
    ]


def test_keys_of_other_kinds_are_refused() -> None:
    for der in unsupported():
        with pytest.raises(ProofError, match="not supported") as caught:
            PublicKey.from_spki(der)
        assert caught.value.code == "key-format"


def test_a_key_in_another_encoding_is_refused_so_that_one_key_has_one_keyid() -> None:
    _, key = p256()
    compressed = key._key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    der = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200") + compressed
    with pytest.raises(ProofError, match="canonical DER"):
        PublicKey.from_spki(der)


@pytest.mark.parametrize("der", [b"", b"\0" * 44, b"\x30" * 5000])
def test_bytes_that_are_no_key_are_refused(der: bytes) -> None:
    with pytest.raises(ProofError) as caught:
        PublicKey.from_spki(der)
    assert caught.value.code == "key-format"
    with pytest.raises(ProofError):
        PublicKey.from_pem(der)


def test_encodings_beyond_the_size_limit_are_refused_unread() -> None:
    key = some_key("ed25519")
    pem = b"-----BEGIN PUBLIC KEY-----\n" + b64encode(key.spki) + b"\n-----END PUBLIC KEY-----\n"
    fits = b"#" * (4095 - len(pem)) + b"\n" + pem
    assert PublicKey.from_pem(fits) == key
    with pytest.raises(ProofError, match="4097 bytes"):
        PublicKey.from_pem(b"#" + fits)
    with pytest.raises(ProofError, match="4097 bytes"):
        PublicKey.from_spki(key.spki + b"\0" * (4097 - len(key.spki)))


@pytest.mark.parametrize("kind", ["ed25519", "p256", "secp256k1"])
def test_a_cut_key_is_refused(kind: Kind) -> None:
    der = some_key(kind).spki
    for cut in (der[:-1], der + b"\0", b"\x31" + der[1:]):
        with pytest.raises(ProofError):
            PublicKey.from_spki(cut)


def test_a_line_that_names_another_kind_or_is_not_canonical_is_refused() -> None:
    line = some_key("ed25519").to_text()
    encoded = line.removeprefix("ed25519:")
    assert encoded.endswith("=")
    spare = encoded[:-2] + chr(ord(encoded[-2]) + 1) + "="
    assert b64decode(spare) == b64decode(encoded)
    for broken in (f"p256:{encoded}", encoded, f"ed25519:{encoded}\n", f"ed25519:{spare}", "", "ed25519:*", line[:-4]):
        with pytest.raises(ProofError) as caught:
            PublicKey.from_text(broken)
        assert caught.value.code == "key-format"


@pytest.mark.parametrize(
    "address",  # EIP-55, test cases
    [
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "0xde709f2102306220921060314715629080e2fb77",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ],
)
def test_the_addresses_of_eip_55_keep_their_checksum(address: str) -> None:
    assert checksum_address(bytes.fromhex(address[2:])) == address


@given(st.binary(min_size=20, max_size=20))
def test_addresses_are_written_as_eth_utils_writes_them(account: bytes) -> None:
    assert checksum_address(account) == to_checksum_address(account)


def test_only_chain_accounts_have_addresses_and_sign_digests() -> None:
    key = some_key("ed25519")
    secret, account = chain_account()
    assert account.address == to_checksum_address(keccak(secret.public_key.format(compressed=False)[1:])[12:])
    with pytest.raises(ProofError) as caught:
        _ = key.address
    assert caught.value.code == "key-kind"
    with pytest.raises(ProofError) as caught:
        key.verify_digest(b"\1" * 65, b"\1" * 32)
    assert caught.value.code == "key-kind"


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(["ed25519", "p256", "secp256k1"]), st.binary(min_size=1, max_size=60), st.data())
def test_a_signature_is_refused_over_a_message_with_one_byte_flipped(
    kind: Kind, message: bytes, data: st.DataObject
) -> None:
    key, signature = signed(kind, message)
    key.verify(signature, message)
    flipped = bytearray(message)
    flipped[data.draw(st.integers(0, len(message) - 1))] ^= data.draw(st.integers(1, 255))
    refused("signature", key, signature, bytes(flipped))
    if (
        kind != "p256"
    ):  # its DER is malleable by design: (r, n - s) verifies too, as for every DSSE and Sigstore verifier
        bent = bytearray(signature)
        bent[data.draw(st.integers(0, len(signature) - 1))] ^= data.draw(st.integers(1, 255))
        refused("signature", key, bytes(bent), message)


def some_key(kind: Kind) -> PublicKey:
    return signed(kind, b"")[0]


def signed(kind: Kind, message: bytes) -> tuple[PublicKey, bytes]:
    if kind == "ed25519":
        private = ed25519.Ed25519PrivateKey.from_private_bytes(b"\1" * 32)
        return PublicKey.from_spki(spki(private.public_key())), private.sign(message)
    if kind == "p256":
        secret, key = p256()
        r, s = decode_dss_signature(secret.sign(message, ec.ECDSA(hashes.SHA256())))
        return key, encode_dss_signature(r, s)
    account, key = chain_account()
    return key, sign_digest(account, keccak256(message))
