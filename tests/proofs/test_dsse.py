"""DSSE envelopes."""

from __future__ import annotations

import json
import sys
from base64 import b64decode, b64encode, urlsafe_b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from coincurve import PrivateKey
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mooring.errors import ProofError
from mooring.proofs.dsse import EIP191, MAX_ENVELOPE, Envelope, Signature, eip712_scheme, pae, verify
from mooring.proofs.eip import eip191_digest, eip712_digest
from mooring.proofs.keys import PublicKey

VECTORS = json.loads((Path(__file__).parent / "vectors/dsse.json").read_text(encoding="utf-8"))
TYPE = "application/vnd.in-toto+json"
PAYLOAD = b'{"_type":"https://in-toto.io/Statement/v1"}'
CHAIN = 31337

ED = ed25519.Ed25519PrivateKey.from_private_bytes(b"\1" * 32)
P256 = ec.derive_private_key(7, ec.SECP256R1())
ACCOUNT = PrivateKey(b"\2" * 32)


def public(secret: Any) -> PublicKey:
    return PublicKey(secret.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


ED_KEY, P256_KEY = public(ED), public(P256)
ACCOUNT_KEY = PublicKey.from_raw("secp256k1", ACCOUNT.public_key.format())
KEYS = {key.keyid: key for key in (ED_KEY, P256_KEY, ACCOUNT_KEY)}


def recoverable(digest: bytes) -> bytes:
    signature = ACCOUNT.sign_recoverable(digest, hasher=None)
    return signature[:64] + bytes([signature[64] + 27])


def signatures(kind: str = TYPE, payload: bytes = PAYLOAD, chain: int = CHAIN) -> dict[str, Signature]:
    message = pae(kind, payload)
    return {
        "ed25519": Signature(ED.sign(message), ED_KEY.keyid),
        "p256": Signature(P256.sign(message, ec.ECDSA(hashes.SHA256())), P256_KEY.keyid),
        "eip191": Signature(recoverable(eip191_digest(message)), ACCOUNT_KEY.keyid, EIP191),
        "eip712": Signature(recoverable(eip712_digest(kind, payload, chain)), ACCOUNT_KEY.keyid, eip712_scheme(chain)),
    }


def signed(*names: str, kind: str = TYPE, payload: bytes = PAYLOAD) -> Envelope:
    made = signatures(kind, payload)
    return Envelope(kind, payload, tuple(made[name] for name in names))


def refusal(envelope: Envelope, keys: dict[str, PublicKey] | None = None, chain_ids: tuple[int, ...] = (CHAIN,)) -> str:
    with pytest.raises(ProofError) as caught:
        verify(envelope, KEYS if keys is None else keys, chain_ids=chain_ids)
    assert caught.value.hint
    return caught.value.code


def malformed(data: bytes | dict[str, Any]) -> str:
    with pytest.raises(ProofError) as caught:
        Envelope.from_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())
    assert caught.value.code == "dsse-format"
    return caught.value.message


def as_json() -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(signed("ed25519").to_bytes())
    return parsed


# --- the specification's vectors ---


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: vector["id"])
def test_the_vectors_of_the_dsse_repository_are_accepted_and_rejected_as_they_say(vector: dict[str, Any]) -> None:
    keys = {name: PublicKey.from_raw("ed25519", bytes.fromhex(VECTORS["keys"][name])) for name in vector["trustedKeys"]}

    def accepted() -> bool:
        try:
            envelope = Envelope.from_bytes(json.dumps(vector["envelope"]).encode())
            signers = verify(envelope, keys)
        except ProofError:
            return False
        assert pae(envelope.payload_type, envelope.payload).hex() == vector["pae"]
        return len(signers) >= vector["threshold"] and envelope.payload_type in vector["supportedPayloadTypes"]

    assert accepted() == (vector["expect"] == "accept")


def test_the_example_of_the_dsse_protocol_verifies_once_its_numbers_are_in_der() -> None:
    x = 46950820868899156662930047687818585632848591499744589407958293238635476079160
    y = 5640078356564379163099075877009565129882514886557779369047442380624545832820
    key = PublicKey.from_raw("p256", b"\4" + x.to_bytes(32, "big") + y.to_bytes(32, "big"))
    raw = b64decode("A3JqsQGtVsJ2O2xqrI5IcnXip5GToJ3F+FnZ+O88SjtR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUjW2JIZA==")
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    kind, body = "http://example.com/HelloWorld", b"hello world"
    assert pae(kind, body) == b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    assert verify(Envelope(kind, body, (Signature(der, key.keyid),)), {key.keyid: key}) == (key,)
    assert refusal(Envelope(kind, body, (Signature(raw, key.keyid),)), {key.keyid: key}) == "signature"


# --- verification ---


@pytest.mark.parametrize("name", ["ed25519", "p256", "eip191", "eip712"])
def test_each_scheme_verifies_and_fails_over_other_bytes(name: str) -> None:
    envelope = signed(name)
    (key,) = verify(envelope, KEYS, chain_ids=(CHAIN,))
    assert key.keyid == envelope.signatures[0].keyid
    assert refusal(Envelope(TYPE, PAYLOAD + b" ", envelope.signatures)) == "signature"
    assert refusal(Envelope(TYPE + "x", PAYLOAD, envelope.signatures)) == "signature"


def test_every_signer_is_returned_once_and_in_order() -> None:
    envelope = signed("p256", "eip191", "ed25519")
    assert verify(envelope, KEYS) == (P256_KEY, ACCOUNT_KEY, ED_KEY)
    again = Signature(envelope.signatures[2].sig)  # the same signature once more, without a keyid
    assert verify(Envelope(TYPE, PAYLOAD, (*envelope.signatures, again)), KEYS) == (P256_KEY, ACCOUNT_KEY, ED_KEY)


def test_one_bad_signature_under_a_known_keyid_spoils_the_good_ones() -> None:
    good = signatures()
    bad = Signature(good["ed25519"].sig, P256_KEY.keyid)
    assert refusal(Envelope(TYPE, PAYLOAD, (good["ed25519"], bad))) == "signature"


def test_a_signature_under_an_unknown_keyid_is_passed_over_but_does_not_suffice() -> None:
    stranger = Signature(b"whatever", "somebody")
    envelope = Envelope(TYPE, PAYLOAD, (stranger, signatures()["ed25519"]))
    assert verify(envelope, KEYS) == (ED_KEY,)
    assert refusal(Envelope(TYPE, PAYLOAD, (stranger,))) == "unknown-key"
    assert refusal(envelope, {}) == "unknown-key"


def test_a_signature_without_keyid_is_tried_against_every_key() -> None:
    anonymous = Signature(signatures()["p256"].sig)
    assert verify(Envelope(TYPE, PAYLOAD, (anonymous,)), KEYS) == (P256_KEY,)
    assert refusal(Envelope(TYPE, PAYLOAD, (anonymous,)), {ED_KEY.keyid: ED_KEY}) == "unknown-key"


@pytest.mark.parametrize(
    ("name", "scheme"),
    [("ed25519", EIP191), ("p256", "eip712:31337"), ("eip191", ""), ("eip191", "eip-191"), ("eip712", "EIP712:31337")],
)
def test_a_scheme_that_does_not_fit_the_key_is_refused(name: str, scheme: str) -> None:
    signature = signatures()[name]
    swapped = Signature(signature.sig, signature.keyid, scheme)
    assert refusal(Envelope(TYPE, PAYLOAD, (swapped,))) == "scheme"


@pytest.mark.parametrize(("made", "claimed"), [("eip191", "eip712:31337"), ("eip712", "eip191")])
def test_a_signature_under_one_scheme_does_not_pass_under_the_other(made: str, claimed: str) -> None:
    signature = signatures()[made]
    assert refusal(Envelope(TYPE, PAYLOAD, (Signature(signature.sig, signature.keyid, claimed),))) == "signature"


def test_typed_data_counts_only_for_the_chains_that_are_accepted() -> None:
    envelope = signed("eip712")
    assert verify(envelope, KEYS, chain_ids={1, CHAIN}) == (ACCOUNT_KEY,)
    assert refusal(envelope, chain_ids=(1,)) == "chain-id"
    assert refusal(envelope, chain_ids=()) == "chain-id"
    relabelled = Signature(envelope.signatures[0].sig, ACCOUNT_KEY.keyid, eip712_scheme(1))
    assert refusal(Envelope(TYPE, PAYLOAD, (relabelled,)), chain_ids=(1,)) == "signature"


@pytest.mark.parametrize("scheme", ["eip712:", "eip712:031337", "eip712:31337 ", "eip712:x"])
def test_a_chain_id_that_is_not_written_plainly_names_no_chain(scheme: str) -> None:
    signature = Signature(signatures()["eip712"].sig, ACCOUNT_KEY.keyid, scheme)
    assert refusal(Envelope(TYPE, PAYLOAD, (signature,))) == "chain-id"


def test_what_a_wallet_signs_through_eth_account_verifies() -> None:
    wallet = Account.from_key(b"\2" * 32)
    personal = bytes(wallet.sign_message(encode_defunct(pae(TYPE, PAYLOAD))).signature)
    typed = encode_typed_data(
        {"name": "Mooring", "version": "1", "chainId": CHAIN},
        {
            "Attestation": [
                {"name": "payloadType", "type": "string"},
                {"name": "payloadDigest", "type": "bytes32"},
            ]
        },
        {"payloadType": TYPE, "payloadDigest": sha256(PAYLOAD).digest()},
    )
    for signature in (
        Signature(personal, ACCOUNT_KEY.keyid, "eip191"),
        Signature(bytes(wallet.sign_message(typed).signature), ACCOUNT_KEY.keyid, f"eip712:{CHAIN}"),
    ):
        assert verify(Envelope(TYPE, PAYLOAD, (signature,)), KEYS, chain_ids=(CHAIN,)) == (ACCOUNT_KEY,)


def test_a_verifier_that_knows_dsse_alone_accepts_plain_keys_and_fails_on_chain_accounts() -> None:
    """Written against the DSSE text only: it reads sig and keyid, ignores other fields, and checks the PAE."""

    def plain(data: bytes, key: PublicKey) -> bool:
        envelope = json.loads(data)
        body = b64decode(envelope["payload"])
        kind = envelope["payloadType"].encode()
        message = b" ".join([b"DSSEv1", str(len(kind)).encode(), kind, str(len(body)).encode(), body])
        signature = b64decode(envelope["signatures"][0]["sig"])
        try:
            if isinstance(key._key, ed25519.Ed25519PublicKey):
                key._key.verify(signature, message)
            else:
                key._key.verify(signature, message, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True

    assert plain(signed("ed25519").to_bytes(), ED_KEY)
    assert plain(signed("p256").to_bytes(), P256_KEY)
    assert not plain(signed("eip191").to_bytes(), ACCOUNT_KEY)
    assert not plain(signed("eip712").to_bytes(), ACCOUNT_KEY)


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(["ed25519", "eip191", "eip712"]), st.data())
def test_no_byte_of_a_signature_or_payload_can_change(name: str, data: st.DataObject) -> None:
    envelope = signed(name)
    (signature,) = envelope.signatures
    bent = bytearray(signature.sig)
    bent[data.draw(st.integers(0, len(bent) - 1))] ^= data.draw(st.integers(1, 255))
    broken = Signature(bytes(bent), signature.keyid, signature.scheme)
    assert refusal(Envelope(TYPE, PAYLOAD, (broken,))) == "signature"
    payload = bytearray(PAYLOAD)
    payload[data.draw(st.integers(0, len(payload) - 1))] ^= data.draw(st.integers(1, 255))
    assert refusal(Envelope(TYPE, bytes(payload), (signature,))) == "signature"


@given(st.text(max_size=30), st.binary(max_size=60), st.text(max_size=30), st.binary(max_size=60))
@example("a", b"1 b", "a 1", b"b")
def test_two_different_statements_never_share_a_pre_authentication_encoding(
    kind: str, body: bytes, other_kind: str, other_body: bytes
) -> None:
    same = (kind, body) == (other_kind, other_body)
    assert (pae(kind, body) == pae(other_kind, other_body)) == same


# --- encoding ---

NAMES = st.text(min_size=1, max_size=20)


@given(
    NAMES,
    st.binary(max_size=100),
    st.lists(
        st.builds(Signature, st.binary(min_size=1, max_size=80), st.text(max_size=20), st.text(max_size=10)),
        min_size=1,
        max_size=4,
        unique_by=lambda signature: signature.keyid,
    ),
)
def test_an_envelope_is_read_back_as_it_was_written(kind: str, payload: bytes, made: list[Signature]) -> None:
    envelope = Envelope(kind, payload, tuple(made))
    data = envelope.to_bytes()
    assert Envelope.from_canonical(data) == Envelope.from_bytes(data) == envelope
    assert json.dumps(json.loads(data), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() == data


def test_the_canonical_form_leaves_empty_hints_out_and_sorts_the_rest() -> None:
    envelope = Envelope("t", b"\xfb\xff", (Signature(b"\1"), Signature(b"\2", "k", EIP191)))
    assert envelope.to_bytes() == (
        b'{"payload":"+/8=","payloadType":"t","signatures":[{"sig":"AQ=="},{"keyid":"k","scheme":"eip191","sig":"Ag=="}]}'
    )


@pytest.mark.parametrize("change", ["space", "order", "alphabet", "extra", "empty keyid", "escape"])
def test_another_spelling_of_an_envelope_is_read_but_is_not_canonical(change: str) -> None:
    envelope = Envelope("té", b"\xfb\xff", (Signature(b"\1"),))
    fields = json.loads(envelope.to_bytes())
    if change == "alphabet":
        fields["payload"] = urlsafe_b64encode(envelope.payload).decode()
    if change == "extra":
        fields["future"] = 1
    if change == "empty keyid":
        fields["signatures"][0]["keyid"] = ""
    if change == "order":
        fields = dict(reversed(fields.items()))
    data = json.dumps(
        fields, separators=(",", ": " if change == "space" else ":"), ensure_ascii=change == "escape"
    ).encode()
    assert Envelope.from_bytes(data) == envelope
    with pytest.raises(ProofError) as caught:
        Envelope.from_canonical(data)
    assert caught.value.code == "dsse-canonical"


def test_fields_that_dsse_does_not_define_are_ignored_as_it_demands() -> None:
    fields = as_json()
    fields["extra"] = {"deep": [1.5, None, True]}
    fields["signatures"][0]["extension"] = {"kind": "x"}
    assert Envelope.from_bytes(json.dumps(fields).encode()) == signed("ed25519")


@pytest.mark.parametrize("field", ["payload", "payloadType", "signatures"])
@pytest.mark.parametrize("value", [None, 7, {}])
def test_a_field_that_is_missing_or_of_another_type_is_refused(field: str, value: object) -> None:
    fields = as_json()
    assert Envelope.from_bytes(json.dumps(fields).encode())
    assert field in malformed({**fields, field: value})
    del fields[field]
    assert field in malformed(fields)


@pytest.mark.parametrize("field", ["sig", "keyid", "scheme"])
@pytest.mark.parametrize("value", [None, 7, []])
def test_a_signature_with_a_field_of_another_type_is_refused(field: str, value: object) -> None:
    fields = as_json()
    fields["signatures"][0][field] = value
    assert field in malformed(fields)


def test_a_signature_without_sig_or_that_is_no_object_is_refused() -> None:
    fields = as_json()
    assert "sig" in malformed({**fields, "signatures": [{"keyid": "x"}]})
    assert "no object" in malformed({**fields, "signatures": ["x"]})


@pytest.mark.parametrize(
    "text", ["AQ", "AQ=", "AQ===", "AQ==\n", " AQ==", "AR==", "A", "AQ==AQ==", "+_8=", "-/8=", "A*==", "é"]
)
@pytest.mark.parametrize("field", ["payload", "sig"])
def test_base64_that_is_not_canonical_is_refused(field: str, text: str) -> None:
    fields = as_json()
    target = fields if field == "payload" else fields["signatures"][0]
    target[field] = text
    assert field in malformed(fields)
    target[field] = "AQ=="
    assert Envelope.from_bytes(json.dumps(fields).encode())


def test_signing_twice_under_one_keyid_is_refused_but_two_anonymous_signatures_are_not() -> None:
    fields = as_json()
    assert "twice" in malformed({**fields, "signatures": fields["signatures"] * 2})
    anonymous = [{"sig": "AQ=="}, {"sig": "AQ==", "keyid": ""}]
    assert len(Envelope.from_bytes(json.dumps({**fields, "signatures": anonymous}).encode()).signatures) == 2


def test_the_number_and_size_of_signatures_is_limited() -> None:
    fields = as_json()
    assert "0 signatures" in malformed({**fields, "signatures": []})
    many = [{"sig": "AQ==", "keyid": str(number)} for number in range(65)]
    assert Envelope.from_bytes(json.dumps({**fields, "signatures": many[:64]}).encode())
    assert "65 signatures" in malformed({**fields, "signatures": many})
    for size, fits in ((0, False), (1, True), (8192, True), (8193, False)):
        sized = {**fields, "signatures": [{"sig": b64encode(b"x" * size).decode()}]}
        if fits:
            assert Envelope.from_bytes(json.dumps(sized).encode())
        else:
            assert f"{size} bytes" in malformed(sized)


def test_names_are_limited_in_bytes_and_must_be_unicode() -> None:
    fields = as_json()
    assert Envelope.from_bytes(json.dumps({**fields, "payloadType": "é" * 128}).encode())
    assert "258 bytes" in malformed({**fields, "payloadType": "é" * 129})
    assert "not Unicode" in malformed({**fields, "payloadType": "\ud800"})
    assert "empty" in malformed({**fields, "payloadType": ""})
    assert "keyid" in malformed({**fields, "signatures": [{"sig": "AQ==", "keyid": "k" * 257}]})
    assert "scheme" in malformed({**fields, "signatures": [{"sig": "AQ==", "scheme": "s" * 257}]})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b'"x"',
        b"\xff",
        b"\xef\xbb\xbf{}",
        "{}".encode("utf-16"),
        b"[" * 100_000,
        b'{"payload":NaN}',
        b'{"a":1,"a":2}',
        b'{"a":{"b":1,"b":1}}',
        b'{"n":' + b"9" * 5000 + b"}",
    ],
    ids=lambda data: repr(data[:12]),
)
def test_bytes_that_are_no_strict_json_object_are_refused(data: bytes) -> None:
    assert "JSON" in malformed(data)


def test_deep_nesting_is_refused_before_the_parser_recurses_into_it() -> None:
    fields = signed("ed25519").to_bytes()
    assert fields.count(b"{") + fields.count(b"[") == 3
    fits = fields[:-1] + b',"x":' + b"[" * 509 + b"]" * 509 + b"}"
    assert Envelope.from_bytes(fits) == signed("ed25519")
    assert "at most 512" in malformed(fields[:-1] + b',"x":' + b"[" * 510 + b"]" * 510 + b"}")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)  # as py_ecc does when it is imported
    try:
        assert "JSON" in malformed(b"[" * 1_000_000)
    finally:
        sys.setrecursionlimit(limit)


def test_an_envelope_beyond_the_size_limit_is_refused() -> None:
    data = signed("ed25519").to_bytes()
    padded = data + b" " * (MAX_ENVELOPE - len(data))
    assert Envelope.from_bytes(padded) == signed("ed25519")
    assert "more than" in malformed(padded + b" ")
