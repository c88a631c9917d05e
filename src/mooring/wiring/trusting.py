"""The trust root as the configuration and the ledger give it."""

from __future__ import annotations

from mooring.proofs.keys import PublicKey
from mooring.proofs.note import VerifierKey, parse_vkey
from mooring.proofs.trust import Trust
from mooring.wiring.config import Config, Organisation
from mooring.workflows.deployment import Deployment
from mooring.workflows.entrust import trust_root
from mooring.workflows.witness import witness_key

__all__ = ["attest_keys", "current_trust"]


def current_trust(deployment: Deployment, config: Config) -> Trust:
    """Return the trust root with every organisation's keys: from the configuration, else from the key store."""
    return trust_root(
        deployment,
        {organisation.name: attest_keys(deployment, organisation) for organisation in config.organisations},
        _witness_keys(deployment, config),
        custodians=config.custodians,
        witnesses_required=config.witnesses_required,
        observers_required=config.observers_required,
    )


def attest_keys(deployment: Deployment, organisation: Organisation) -> tuple[PublicKey, ...]:
    """Return an organisation's attestation keys, oldest first."""
    if organisation.attest_key:
        return (PublicKey.from_text(organisation.attest_key),)
    name = f"{organisation.name}-attest"
    return (*(key.public for key in deployment.keys.retired(name)), deployment.keys.public(name))


def _witness_keys(deployment: Deployment, config: Config) -> dict[str, VerifierKey]:
    held = {item.organisation: witness_key(deployment.name, deployment.keys, item) for item in deployment.witnesses}
    given = {item.name: parse_vkey(item.witness_key) for item in config.organisations if item.witness_key}
    return held | given
