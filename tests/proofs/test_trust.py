"""The trust root: what it must be before anything is believed from it."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from coincurve import PrivateKey
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.proofs.scene import (
    CHAIN_ID,
    LEDGER_LOG,
    NOW,
    ORGS,
    RECEIPTS,
    RECORDS,
    REGISTRY,
    T0,
    Story,
    evm_ledger,
    log_key,
    log_ledger,
    public,
    raw,
    witness_key,
)

from mooring.errors import ProofError
from mooring.proofs.keys import PublicKey
from mooring.proofs.note import COSIGNATURE, VerifierKey
from mooring.proofs.trust import Trust, TrustedKey, TrustedLog, TrustedWitness

STORY = Story()
TRUST = STORY.trust()


def read(**changes: Any) -> Trust:
    """The trust root with fields of its JSON changed."""
    return Trust.from_bytes(json.dumps(json.loads(TRUST.to_bytes()) | changes).encode())


def code(**changes: Any) -> str:
    with pytest.raises(ProofError) as caught:
        STORY.trust(**changes)
    assert caught.value.hint
    return caught.value.code


@pytest.mark.parametrize("story", [STORY, Story(tlog=True)], ids=["evm", "tlog"])
def test_what_is_written_is_read_back(story: Story) -> None:
    trust = story.trust()
    assert Trust.from_bytes(trust.to_bytes()) == trust


def test_keys_of_every_kind_are_read() -> None:
    curve = ec.derive_private_key(7, ec.SECP256R1()).public_key()
    p256 = PublicKey.from_spki(curve.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))
    chain = PublicKey.from_raw("secp256k1", PrivateKey(bytes(31) + b"\7").public_key.format())
    more = tuple(TrustedKey(key.to_text(), "lab") for key in (p256, chain))
    keyring = STORY.trust(keys=TRUST.keys + more).keyring()
    assert {key.kind for key in keyring.keys.values()} == {"ed25519", "p256", "secp256k1"}
    assert keyring.holders[p256.keyid].organisation == "lab"


def test_the_keyring_holds_each_key_under_its_name() -> None:
    keyring = TRUST.keyring()
    assert keyring.keys.keys() == keyring.holders.keys() == {public(org).keyid for org in ORGS}
    assert keyring.logs == {origin: log_key(origin) for origin in (RECORDS, RECEIPTS)}
    assert keyring.witnesses == {witness_key(org): org for org in ORGS}
    assert (keyring.ledger, keyring.chain_ids) == (None, (CHAIN_ID,))
    keyring = Story(tlog=True).trust().keyring()
    assert (keyring.ledger, keyring.chain_ids) == (log_key(LEDGER_LOG), ())


def test_a_key_covers_the_times_from_its_beginning_to_its_end() -> None:
    key = TrustedKey(public("lab").to_text(), "lab", not_before=T0, not_after=T0 + 10)
    assert [key.covers(T0 + offset) for offset in (-1, 0, 10, 11)] == [False, True, True, False]
    assert replace(key, not_after=0).covers(NOW)


def test_a_key_revoked_before_it_began_never_covers_anything_and_is_no_error() -> None:
    key = TrustedKey(public("lab").to_text(), "lab", not_before=T0, not_after=T0 - 1)
    assert not any(key.covers(T0 + offset) for offset in (-1, 0, 1))


@pytest.mark.parametrize(
    "changes",
    [
        {"media_type": "application/json"},
        {"custodians": 0},
        {"approvals_required": 0},
        {"approvals_required": 4},
        {"witnesses_required": -1},
        {"witnesses_required": 4},
        {"deployment": ""},
        {"deployment": "mooring.test/other"},
        {"keys": TRUST.keys[:1] * 2 + TRUST.keys[1:]},
        {"keys": ()},
        {"logs": (TRUST.logs[0], replace(TRUST.logs[0], origin_id=""))},
        {"deployment": "", "logs": (replace(TRUST.logs[0], origin="/records"),)},
        {"logs": (TRUST.logs[0], replace(TRUST.logs[1], origin_id=TRUST.logs[0].origin_id))},
        {"logs": (replace(TRUST.logs[0], vkey=str(witness_key("lab"))),)},
        {"witnesses": (replace(TRUST.witnesses[0], vkey=str(log_key(RECORDS))), *TRUST.witnesses[1:])},
        {"witnesses": TRUST.witnesses + TRUST.witnesses[:1]},
    ],
    ids=lambda changes: " ".join(changes),
)
def test_a_root_that_contradicts_itself_is_refused(changes: dict[str, Any]) -> None:
    assert code(**changes) == "trust"


@pytest.mark.parametrize("number", [0, 4])
def test_observers_are_at_least_one_and_at_most_one_of_each_organisation(number: int) -> None:
    assert STORY.trust(ledger=evm_ledger(observers_required=3)).ledger.observers_required == 3
    with pytest.raises(ProofError) as caught:
        STORY.trust(ledger=evm_ledger(observers_required=number))
    assert caught.value.code == "trust"


def test_the_least_that_a_trust_root_may_ask_for_is_one_of_each() -> None:
    """Except witnesses, of which there may be none."""
    ledger = evm_ledger(operators=1, finality_depth=0, observers_required=1)
    assert (
        STORY.trust(custodians=1, approvals_required=1, witnesses_required=0, witnesses=(), ledger=ledger).custodians
        == 1
    )


def test_keys_of_logs_and_witnesses_are_of_their_own_type() -> None:
    fresh = VerifierKey(RECORDS, raw("fresh"))
    witness = replace(fresh, type=COSIGNATURE)
    assert STORY.trust(
        logs=(replace(TRUST.logs[0], vkey=str(fresh)),), witnesses=(*TRUST.witnesses, _witness(raw("new")))
    )
    for changes in (
        {"logs": (replace(TRUST.logs[0], vkey=str(witness)),)},
        {"witnesses": (*TRUST.witnesses, TrustedWitness(str(fresh), "lab"))},
    ):
        with pytest.raises(ProofError, match="vkey"):
            STORY.trust(**changes)


def _witness(key: bytes) -> TrustedWitness:
    return TrustedWitness(str(VerifierKey("new.test/witness", key, COSIGNATURE)), "lab")


def test_a_log_without_anchor_id_is_believed_and_two_of_them_are_too() -> None:
    logs = tuple(replace(log, origin_id="") for log in TRUST.logs)
    assert STORY.trust(logs=logs).logs == logs


@pytest.mark.parametrize("origin_id", ["0x" + "0" * 64, "AB" * 32, "00" * 31])
def test_an_anchor_id_is_nothing_or_64_lower_case_digits(origin_id: str) -> None:
    with pytest.raises(ProofError, match="originId"):
        TrustedLog(RECORDS, str(log_key(RECORDS)), origin_id)


@pytest.mark.parametrize("name", ["", " lab", "lab ", "l\nb", "l\u202eb", "x" * 257])
def test_an_organisation_has_a_name_that_can_be_shown(name: str) -> None:
    for make in (lambda: TrustedKey(public("lab").to_text(), name), lambda: TrustedWitness("x", name)):
        with pytest.raises(ProofError) as caught:
            make()
        assert caught.value.code == "trust"
    assert TrustedWitness("x", "Clínica São João").organisation == "Clínica São João"


@pytest.mark.parametrize("times", [(-1, 0), (0, -1), (0, 253_402_300_800), (253_402_300_800, 0)])
def test_key_times_lie_in_years_that_can_be_written(times: tuple[int, int]) -> None:
    with pytest.raises(ProofError) as caught:
        TrustedKey(public("lab").to_text(), "lab", *times)
    assert caught.value.code == "trust"


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "pbft"},
        {"operators": 0},
        {"finality_depth": -1},
        {"chain": "eip155"},
        {"chain": "eip155:0"},
        {"chain": "eip155:01"},
        {"chain": "eip155:x"},
        {"chain": "cosmos:hub"},
        {"registry": ""},
        {"registry": REGISTRY.lower()},
        {"anchor": "0x00"},
        {"log": str(log_key(LEDGER_LOG))},
    ],
    ids=str,
)
def test_an_evm_ledger_that_is_none_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ProofError) as caught:
        evm_ledger(**changes)
    assert caught.value.code == "trust"
    assert changes.get("kind", "") in caught.value.message


@pytest.mark.parametrize(
    "changes", [{"chain": "eip155:1"}, {"registry": REGISTRY}, {"anchor": "x"}, {"log": ""}], ids=str
)
def test_a_log_ledger_that_is_none_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ProofError) as caught:
        log_ledger(**changes)
    assert caught.value.code == "trust"


def test_a_ledger_log_is_named_by_a_log_key_and_not_by_a_witness_key() -> None:
    story = Story(tlog=True)
    with pytest.raises(ProofError) as caught:
        story.trust(ledger=log_ledger(log=str(witness_key("lab"))))
    assert caught.value.code == "trust"
    with pytest.raises(ProofError) as caught:
        story.trust(ledger=log_ledger(log="nonsense"))
    assert caught.value.code == "note-key"


def test_one_key_never_speaks_for_two() -> None:
    """An organisation may witness with its attestation key; nobody may use another's, or the logs'."""
    own = TrustedWitness(str(VerifierKey("lab.test/w", raw("lab"), COSIGNATURE)), "lab")
    others = tuple(witness for witness in TRUST.witnesses if witness.organisation != "lab")
    assert own in STORY.trust(witnesses=(own, *others)).witnesses
    stranger = replace(own, organisation="auditor")
    log = TrustedWitness(str(VerifierKey("lab.test/w", raw(f"log {RECORDS}"), COSIGNATURE)), "lab")
    ledger = Story(tlog=True)
    for story, witness in ((STORY, stranger), (STORY, log), (ledger, stranger)):
        with pytest.raises(ProofError, match="one key of") as caught:
            story.trust(witnesses=(witness, *others))
        assert caught.value.code == "trust"
    sealed = TrustedWitness(str(VerifierKey("lab.test/w", raw(f"log {LEDGER_LOG}"), COSIGNATURE)), "lab")
    with pytest.raises(ProofError, match="one key of"):
        ledger.trust(witnesses=(sealed, *others))


def test_one_key_of_two_witnesses_under_two_names_is_refused() -> None:
    twin = TrustedWitness(str(VerifierKey("twin.test/witness", raw("lab witness"), COSIGNATURE)), "lab")
    assert code(witnesses=(*TRUST.witnesses, twin)) == "trust"


@pytest.mark.parametrize(("field", "most"), [("keys", 4096), ("logs", 256), ("witnesses", 99)])
def test_lists_are_bounded_before_their_keys_are_read(field: str, most: int) -> None:
    with pytest.raises(ProofError, match=f"{most + 1} items"):
        STORY.trust(**{field: getattr(TRUST, field)[:1] * (most + 1)})


def test_as_many_witnesses_as_a_note_has_signatures_beside_the_logs_are_read() -> None:
    many = tuple(_witness(raw(f"witness {number}")) for number in range(99))
    assert len(STORY.trust(witnesses=many, witnesses_required=1).keyring().witnesses) == 99


def test_what_does_not_parse_is_refused_as_what_it_is() -> None:
    broken: tuple[tuple[dict[str, Any], str], ...] = (
        ({"unknown": 1}, "trust"),
        ({"custodians": "3"}, "trust"),
        ({"keys": [{"key": "ed25519:AAAA", "organisation": org} for org in ORGS]}, "key-format"),
        ({"logs": [{"origin": RECORDS, "vkey": "no key"}]}, "note-key"),
    )
    for changes, expected in broken:
        with pytest.raises(ProofError) as caught:
            read(**changes)
        assert (caught.value.code, bool(caught.value.hint)) == (expected, True)
    assert read() == TRUST


@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b"\xff", b"[" * 100_000, b" " * (4 * 1024 * 1024 + 1)], ids=len)
def test_bytes_that_are_no_root_are_refused(data: bytes) -> None:
    with pytest.raises(ProofError) as caught:
        Trust.from_bytes(data)
    assert caught.value.code == "trust"


@pytest.mark.parametrize("story", [STORY, Story(tlog=True)], ids=["evm", "tlog"])
def test_damage_is_a_proof_error_or_another_root_and_never_anything_else(story: Story) -> None:
    data, chance = story.trust().to_bytes(), random.Random(7)
    original, parsed = Trust.from_bytes(data), 0
    for _ in range(700):
        place = chance.randrange(len(data))
        mutated = data[:place] + bytes([data[place] ^ 1 << chance.randrange(8)]) + data[place + 1 :]
        try:
            assert Trust.from_bytes(mutated) != original
        except ProofError:  # and nothing else
            continue
        parsed += 1
    assert parsed > 10  # names, numbers and times are the author's to choose
