"""Attestations: who signed, with a key that was valid, for themselves, about what they name."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tests.proofs.scene import (
    ACCOUNTS,
    CHAIN_ID,
    MODEL_MANIFEST,
    NOW,
    T0,
    TRAINED,
    Story,
    approval,
    at,
    envelope,
    public,
    statement,
)

from mooring.errors import ProofError, RecordError
from mooring.proofs.attestation import Signed, organisation_id, read_attestation
from mooring.proofs.dsse import EIP191, Envelope, Signature, eip712_scheme, pae
from mooring.proofs.eip import eip191_digest, eip712_digest
from mooring.proofs.keys import PublicKey
from mooring.proofs.trust import Trust, TrustedKey
from mooring.records.predicates import Dataset, Erasure, Incident, ReceiptBatch
from mooring.records.statement import PAYLOAD_TYPE, Statement, Subject

TRUST = Story().trust()
CHAIN_KEY = PublicKey.from_raw("secp256k1", ACCOUNTS.key("lab").public_key.format())


def read(data: bytes, trust: Trust = TRUST, now_s: int | None = NOW) -> Signed:
    return read_attestation(data, trust.keyring(), now_s)


def code(data: bytes, trust: Trust = TRUST, now_s: int | None = NOW) -> str:
    with pytest.raises((ProofError, RecordError)) as caught:
        read(data, trust, now_s)
    assert caught.value.hint
    return caught.value.code


def with_key(**times: int) -> Trust:
    """A trust root in which the hospital's key has these times."""
    return replace(TRUST, keys=tuple(replace(k, **times) if k.organisation == "hospital" else k for k in TRUST.keys))  # type: ignore[arg-type]  # by name


def test_a_statement_is_read_with_the_organisations_that_signed_it() -> None:
    signed = read(envelope(TRAINED, "hospital", "lab"))
    assert signed == Signed(TRAINED, frozenset({"hospital", "lab"}), TRAINED.digest.value, T0 + 180)


def test_a_changed_byte_anywhere_is_refused() -> None:
    data = envelope(TRAINED, "hospital")
    for place in range(0, len(data), 7):
        code(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])


def test_a_key_that_is_not_in_the_trust_root_proves_nothing() -> None:
    assert code(envelope(TRAINED, "stranger")) == "unknown-key"


def test_signatures_of_strangers_beside_a_good_one_are_counted_and_count_for_nothing() -> None:
    signed = read(envelope(TRAINED, "hospital", "stranger", "passer-by"))
    assert (signed.organisations, signed.strangers) == (frozenset({"hospital"}), 2)


def test_a_bad_signature_beside_a_good_one_spoils_it() -> None:
    good = Envelope.from_bytes(envelope(TRAINED, "hospital", "lab"))
    bad = replace(good.signatures[1], sig=good.signatures[0].sig)
    assert code(replace(good, signatures=(good.signatures[0], bad)).to_bytes()) == "signature"


def test_a_signature_names_its_key() -> None:
    good = Envelope.from_bytes(envelope(TRAINED, "hospital"))
    nameless = replace(good, signatures=(replace(good.signatures[0], keyid=""),))
    assert code(nameless.to_bytes()) == "dsse-keyid"


def test_the_envelope_is_the_canonical_one() -> None:
    data = envelope(TRAINED, "hospital")
    assert code(json.dumps(json.loads(data)).encode()) == "dsse-canonical"
    assert code(b"{}") == "dsse-format"


def test_the_payload_is_an_in_toto_statement() -> None:
    assert code(envelope(TRAINED, "hospital", payload_type="application/json")) == "payload-type"
    assert code(envelope(b"{}", "hospital")) == "statement"
    spaced = json.dumps(json.loads(TRAINED.to_bytes())).encode()
    assert code(envelope(spaced, "hospital")) == "not-canonical"


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ({"not_before": T0 + 180}, 0),
        ({"not_before": T0 + 181}, None),
        ({"not_after": T0 + 180}, T0 + 180),
        ({"not_after": T0 + 179}, None),
    ],
    ids=str,
)
def test_the_key_was_valid_when_the_statement_says_it_was_made(times: dict[str, int], expected: int | None) -> None:
    data, trust = envelope(TRAINED, "hospital"), with_key(**times)
    if expected is None:
        assert code(data, trust) == "key-time"
    else:
        assert read(data, trust).ends == expected


def test_a_time_before_1970_is_before_every_key() -> None:
    early = statement(Dataset("biopsies", "1", "1969-12-31T23:59:59Z", "clinic", "CC0"), MODEL_MANIFEST)
    assert code(envelope(early, "hospital")) == "key-time"


def test_the_first_end_of_several_keys_is_the_one_that_counts() -> None:
    ends = {"auditor": 0, "hospital": T0 + 900, "lab": T0 + 600}
    keys = tuple(replace(key, not_after=ends[key.organisation]) for key in TRUST.keys)
    assert read(envelope(TRAINED, "hospital", "lab", "auditor"), replace(TRUST, keys=keys)).ends == T0 + 600


def test_a_rotated_key_is_refused_for_what_is_dated_after_it_and_the_new_one_is_not() -> None:
    old, new = public("hospital"), public("hospital 2")
    keys = (TrustedKey(old.to_text(), "hospital", 0, T0 + 60), TrustedKey(new.to_text(), "hospital", T0 + 61))
    trust = replace(TRUST, keys=(*keys, *(key for key in TRUST.keys if key.organisation != "hospital")))
    assert code(envelope(TRAINED, "hospital"), trust) == "key-time"
    assert read(envelope(TRAINED, "hospital 2"), trust).organisations == {"hospital"}


def test_a_statement_from_the_future_is_refused_if_there_is_a_clock() -> None:
    data = envelope(TRAINED, "hospital")
    assert read(data, now_s=T0 + 180 - 300).made == T0 + 180
    assert code(data, now_s=T0 + 180 - 301) == "attestation-future"
    assert read(data, now_s=None).made == T0 + 180


def test_an_organisation_approves_for_itself_alone() -> None:
    assert read(envelope(approval("lab"), "lab", "hospital")).organisations == {"lab", "hospital"}
    assert code(envelope(approval("lab"), "hospital")) == "organisation"


@pytest.mark.parametrize("name", ["tumour@2", "tumour", "other@1", "tumour@1 "])
def test_a_statement_is_about_the_version_that_it_speaks_of(name: str) -> None:
    assert code(envelope(statement(TRAINED.predicate, name=name), "hospital")) == "subject"
    incident = Incident("tumour", "1", at(3), "high", "bad", at(2))
    assert code(envelope(statement(incident, name=name), "hospital")) == "subject"


def test_statements_about_no_version_name_what_they_like() -> None:
    batch = ReceiptBatch("mooring.test/ward/receipts", 0, 5, MODEL_MANIFEST.digest, at(3))
    for predicate in (batch, Erasure("asked", 1, at(3))):
        said = Statement(Subject("whatever", MODEL_MANIFEST.digest), predicate)
        assert read(envelope(said, "hospital")).statement == said


def chain_signed(scheme: str, digest: bytes) -> bytes:
    """TRAINED signed by the lab's chain account."""
    made = ACCOUNTS.sign_digest("lab", digest)
    signature = Signature(made[:64] + bytes([made[64] + 27]), CHAIN_KEY.keyid, scheme)
    return Envelope(PAYLOAD_TYPE, TRAINED.to_bytes(), (signature,)).to_bytes()


def test_a_chain_account_signs_a_message_or_typed_data_for_the_trusted_chain_only() -> None:
    payload = TRAINED.to_bytes()
    trust = replace(TRUST, keys=(*TRUST.keys, TrustedKey(CHAIN_KEY.to_text(), "lab")))
    message = chain_signed(EIP191, eip191_digest(pae(PAYLOAD_TYPE, payload)))
    typed = chain_signed(eip712_scheme(CHAIN_ID), eip712_digest(PAYLOAD_TYPE, payload, CHAIN_ID))
    assert read(message, trust).organisations == read(typed, trust).organisations == {"lab"}
    elsewhere = chain_signed(eip712_scheme(1), eip712_digest(PAYLOAD_TYPE, payload, 1))
    assert code(elsewhere, trust) == "chain-id"
    assert code(chain_signed("", eip191_digest(pae(PAYLOAD_TYPE, payload))), trust) == "scheme"
    assert code(chain_signed(EIP191, eip191_digest(payload)), trust) == "signature"
    on_a_log = Story(tlog=True).trust(keys=trust.keys)
    assert code(typed, on_a_log) == "chain-id"


def test_typed_data_is_no_disguise_for_a_plain_key() -> None:
    good = Envelope.from_bytes(envelope(TRAINED, "hospital"))
    assert code(replace(good, signatures=(replace(good.signatures[0], scheme=EIP191),)).to_bytes()) == "scheme"


def test_an_organisations_id_is_the_sha256_of_its_name() -> None:
    assert organisation_id("lab").hex() == "a51146d38077ff992eba84cf1d5e9b249073503eb74868699016153b031a38f7"
