"""The trust root: every organisation's keys with the bounds that the ledger gives them, and no others."""

from __future__ import annotations

import time
from dataclasses import replace

from mooring.proofs.trust import Trust
from mooring.wiring.session import Session
from mooring.workflows.entrust import trust_root
from mooring.workflows.govern import register_key, revoke_key


def test_a_trust_root_names_keys_logs_witnesses_and_the_ledger_with_its_contracts(founded: Session) -> None:
    trust = founded.trust()
    assert Trust.from_bytes(trust.to_bytes()) == trust
    assert trust.organisations == trust.witnessing == {"hospital", "lab", "auditor"}
    assert (trust.deployment, trust.custodians, trust.approvals_required, trust.witnesses_required) == (
        founded.config.deployment,
        1,
        2,
        2,
    )
    assert [log.origin.rpartition("/")[2] for log in trust.logs] == ["records", "receipts"]
    contracts = founded.deployment.ledger.profile.contracts
    assert (trust.ledger.registry, trust.ledger.anchor) == (
        contracts["AssetRegistry"],
        contracts["CheckpointAnchor"],
    )
    assert trust.ledger.kind == "evm"
    assert all(key.not_after == 0 < key.not_before for key in trust.keys)


def test_a_rotated_key_stays_with_the_time_until_which_it_counts(founded: Session) -> None:
    old = founded.deployment.keys.public("hospital-attest")
    founded.rotate_key(founded.deployment.actor("alice"))
    now = int(time.time())
    held = {key.key: key for key in founded.trust().keys if key.organisation == "hospital"}
    assert len(held) == 2
    new = founded.deployment.keys.public("hospital-attest")
    assert held[new.to_text()].not_after == 0
    assert now - 30 < held[old.to_text()].not_after <= now


def test_an_expiring_and_a_revoked_key_end_at_the_earlier_time(founded: Session) -> None:
    deployment, alice = replace(founded.deployment, threshold=1), founded.deployment.actor("alice")
    deployment.keys.create("spare", "ed25519")  # type: ignore[attr-defined]  # a key store of our own
    register_key(deployment, alice, "spare", not_after=2_000_000_000)
    spare = deployment.keys.public("spare")

    def end() -> int:
        root = trust_root(
            deployment, {"hospital": (spare,)}, {}, custodians=1, witnesses_required=0, observers_required=1
        )
        return root.keys[0].not_after

    assert end() == 2_000_000_000
    revoke_key(deployment, alice, spare.keyid, from_s=1_900_000_000)
    assert end() == 1_899_999_999


def test_keys_that_the_ledger_does_not_have_for_the_organisation_are_left_out(founded: Session) -> None:
    deployment = replace(founded.deployment, threshold=1)
    deployment.keys.create("stray", "ed25519")  # type: ignore[attr-defined]  # a key store of our own
    stray, lab = deployment.keys.public("stray"), deployment.keys.public("lab-attest")
    root = trust_root(
        deployment,
        {"hospital": (stray, lab), "lab": (lab,)},
        {},
        custodians=1,
        witnesses_required=0,
        observers_required=1,
    )
    assert [(key.organisation, key.key) for key in root.keys] == [("lab", lab.to_text())]
