"""Founding a deployment: configuration, keys, stores, contracts, registered keys, policy, trust root.

Every step looks first whether it was done, so founding that broke off goes on where it stood.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from mooring.errors import ConfigError, LedgerRefused, NotFoundError
from mooring.policy import DEFAULT_POLICY, Policy
from mooring.proofs.keys import Kind
from mooring.storage.atomic import create, replace, translating
from mooring.storage.keyenv import EnvironmentKeys
from mooring.wiring import passphrase, stores
from mooring.wiring.config import ANCHORER, Config, Organisation, load, parse
from mooring.wiring.funding import is_development_at
from mooring.wiring.home import Home
from mooring.wiring.ledgers import found_ledger
from mooring.wiring.logledger import is_log
from mooring.wiring.session import Session, open_session
from mooring.workflows.deployment import Actor
from mooring.workflows.govern import register_key, set_policy

__all__ = ["LOCAL_ORGANISATIONS", "Founded", "found", "local_config", "make_keys"]

LOCAL_ORGANISATIONS = """\
# Three organisations for trying Mooring on one machine. For real use, each holds its own keys: see docs/guide.md.

[[organisation]]
name = "hospital"
member = [
  { name = "alice", roles = ["publisher", "approver", "operator"] },
]

[[organisation]]
name = "lab"
member = [
  { name = "bob", roles = ["approver", "guardian"] },
]

[[organisation]]
name = "auditor"
member = [
  { name = "carol", roles = ["approver", "guardian"] },
]
"""


@dataclass(frozen=True, slots=True)
class Founded:
    """A founded deployment: its folder, its ledger, its contracts and its members.

    `funded_by` is the account of a development node that gave ours ether just now; "" if none had to.
    """

    home: str
    deployment: str
    chain: str
    contracts: dict[str, str]
    organisations: dict[str, list[str]]
    trust: str
    funded_by: str


def found(home: Home, text: str, *, local: bool, say: Callable[[str], None]) -> Founded:
    """Found a deployment in a folder, or go on with one that was begun; `text` is its configuration.

    `local` keeps a random passphrase beside the keys: for a deployment on one machine.
    """
    parse(text.encode(), "the configuration")
    with translating(f"create {home.path}"):
        home.path.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not create(home.config, text.encode(), mode=0o644) and home.config.read_bytes() != text.encode():
        raise ConfigError(
            f"{home.config} exists with other content",
            code="deployment-exists",
            hint="use another --home, or run init with the same arguments to go on",
        )
    config = load(home.config)
    if local:
        passphrase.make_local(home)
    say("keys")
    keys = stores.open_keys(home, config)
    make_keys(keys, config)
    stores.make_blobs(home, config)
    stores.make_logs(home, config)
    say("contracts")
    contracts, giver = found_ledger(home, config, keys)
    if giver:
        say(f"the development node's account {giver} gave ours ether")
    with open_session(home) as session:
        say("attestation keys and policy")
        _register(session, config)
        missing = session.update_trust()
        if missing:
            say(f"there is no trust root until these register their keys: {', '.join(missing)}")
        chain = session.deployment.ledger.profile.chain
    members = {item.name: [member.name for member in item.members] for item in config.organisations}
    return Founded(str(home.path), config.deployment, chain, contracts.contracts, members, str(home.trust), giver)


def make_keys(keys: stores.Keys, config: Config) -> None:
    """Make the keys that the configuration does not place elsewhere and that are not there yet."""
    wanted: dict[str, Kind] = {"log-records": "ed25519", "log-receipts": "ed25519", ANCHORER: "secp256k1"}
    if is_log(config):
        wanted["log-ledger"] = "ed25519"
    for organisation in config.organisations:
        if not organisation.attest_key:
            wanted[f"{organisation.name}-attest"] = "ed25519"
        if not organisation.witness_key:
            wanted[f"{organisation.name}-witness"] = "ed25519"
        wanted |= {member.name: "secp256k1" for member in organisation.members if not member.account}
    missing = {name: kind for name, kind in wanted.items() if name not in set(keys.names())}
    if not missing:
        return
    if isinstance(keys, EnvironmentKeys):
        raise NotFoundError(
            f"keys are missing from the environment: {', '.join(sorted(missing))}",
            code="key-missing",
            hint="set MOORING_KEY_<NAME> to each key's PEM",
        )
    for name, kind in missing.items():
        keys.create(name, kind)


def _register(session: Session, config: Config) -> None:
    """Register the attestation keys that we hold, and vote the default policy in."""
    deployment = session.deployment
    actors = [_first(session, organisation) for organisation in config.organisations]
    for actor in filter(None, actors):
        if f"{actor.organisation}-attest" in deployment.keys.names():
            register_key(deployment, actor, f"{actor.organisation}-attest")
    if deployment.follow().policies:
        return
    policy = Policy.load(DEFAULT_POLICY)
    replace(session.home.policy, policy.text.encode(), mode=0o644)
    for actor in filter(None, actors):
        if _vote(session, actor, policy):
            return


def _vote(session: Session, actor: Actor, policy: Policy) -> bool:
    """Vote for the policy, unless that was done before founding broke off; return whether it is in force."""
    try:
        return set_policy(session.deployment, actor, policy).passed
    except LedgerRefused as error:
        if error.code != "already-voted":
            raise
        return False


def _first(session: Session, organisation: Organisation) -> Actor | None:
    """Return a member of the organisation whose account is in our key store."""
    held = set(session.deployment.keys.names())
    return next((session.deployment.actors[m.name] for m in organisation.members if m.name in held), None)


def local_config(name: str, ledger: str) -> str:
    """Return a configuration for trying Mooring on one machine: three organisations, whose keys lie here.

    A node is asked whether it is one for development, whose blocks are final at once.
    """
    quoted = [json.dumps(part) for part in (name, ledger)]
    depth = 2 if ledger.startswith(("http:", "https:")) and not is_development_at(ledger) else 0
    chain = "20231" if ledger.startswith("embedded:") else "0"
    return (
        f"deployment = {quoted[0]}\n"
        "threshold = 2\n"
        "witnesses_required = 2\n"
        "observers_required = 2\n"
        "# How many independent parties hold the private keys, and produce the ledger; trust roots repeat both.\n"
        "custodians = 1\n\n"
        "[ledger]\n"
        f"url = {quoted[1]}\n"
        f"chain_id = {chain}  # 0: whatever the node says\n"
        f"finality_depth = {depth}  # blocks\n"
        "operators = 1\n\n"
        f"{LOCAL_ORGANISATIONS}"
    )
