"""Entrust: write the trust root of a deployment, as the one who publishes it states it."""

from __future__ import annotations

from collections.abc import Mapping

from mooring.ledger.registry import RegistryState, org_id, origin_id
from mooring.proofs.keys import PublicKey
from mooring.proofs.note import VerifierKey
from mooring.proofs.trust import MEDIA_TYPE, Trust, TrustedKey, TrustedLedger, TrustedLog, TrustedWitness
from mooring.workflows.anchor import log_key
from mooring.workflows.deployment import Deployment
from mooring.workflows.govern import FOREVER

__all__ = ["trust_root"]


def trust_root(
    deployment: Deployment,
    keys: Mapping[str, tuple[PublicKey, ...]],
    witnesses: Mapping[str, VerifierKey],
    *,
    custodians: int,
    witnesses_required: int,
    observers_required: int,
) -> Trust:
    """Return the trust root: each organisation's attestation keys (`keys`, present and past) with the time bounds that
    the ledger gives them, the logs, the witnesses, and the ledger with its contracts.

    Keys that the ledger does not know, or knows for another organisation, are left out.
    """
    state = deployment.follow()
    trusted = [
        _trusted(state, organisation, key)
        for organisation, held in sorted(keys.items())
        for key in held
        if _registered(state, organisation, key)
    ]
    return Trust(
        MEDIA_TYPE,
        deployment.name,
        custodians,
        deployment.threshold,
        witnesses_required,
        tuple(trusted),
        tuple(_log(deployment, origin) for origin in (deployment.records_origin, deployment.receipts_origin)),
        tuple(TrustedWitness(str(key), organisation) for organisation, key in sorted(witnesses.items())),
        _ledger(deployment, observers_required),
    )


def _registered(state: RegistryState, organisation: str, key: PublicKey) -> bool:
    known = state.keys.get(bytes.fromhex(key.keyid))
    return known is not None and known.org == org_id(organisation)


def _trusted(state: RegistryState, organisation: str, key: PublicKey) -> TrustedKey:
    known = state.keys[bytes.fromhex(key.keyid)]
    ends = [end for end in (known.not_after, _before(known.revoked_from)) if end is not None and end < FOREVER]
    return TrustedKey(key.to_text(), organisation, known.not_before, min(ends, default=0))


def _before(revoked_from: int | None) -> int | None:
    return None if revoked_from is None else max(1, revoked_from - 1)


def _log(deployment: Deployment, origin: str) -> TrustedLog:
    writer = deployment.keys.address(deployment.anchorer)
    return TrustedLog(origin, str(log_key(deployment, origin)), origin_id(writer, origin).hex())


def _ledger(deployment: Deployment, observers_required: int) -> TrustedLedger:
    profile = deployment.ledger.profile
    return TrustedLedger(
        profile.chain,
        "evm" if profile.enforces else "tlog",
        profile.operators,
        profile.finality_depth,
        observers_required,
        profile.contracts.get("AssetRegistry", ""),
        profile.contracts.get("CheckpointAnchor", ""),
        "" if profile.enforces else str(log_key(deployment, f"{deployment.name}/ledger")),
    )
