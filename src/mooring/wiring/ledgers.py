"""Which ledger: by the scheme of its URL."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec

from mooring.errors import BusyError, ConfigError
from mooring.ledger.chain import Chain
from mooring.ledger.embedded.lock import ChainLock, find_endpoint
from mooring.ledger.evm import EvmLedger, EvmSettings
from mooring.ledger.founding import deploy
from mooring.ledger.jsonrpc import HttpTransport, Transport
from mooring.ledger.port import Ledger
from mooring.ledger.registry import org_id
from mooring.storage.atomic import replace, translating
from mooring.storage.port import KeyManagement
from mooring.wiring.config import ANCHORER, ROLES, Config
from mooring.wiring.funding import Need, fund
from mooring.wiring.home import Home
from mooring.wiring.logledger import found_log, is_log, log_ledger
from mooring.wiring.stores import Keys

if TYPE_CHECKING:
    from mooring.ledger.embedded.node import EmbeddedNode

__all__ = [
    "ANCHORER",
    "Contracts",
    "OpenLedger",
    "accounts",
    "found_ledger",
    "load_contracts",
    "open_ledger",
    "require_unheld",
    "serve_node",
]

_ENDOWMENT = 10**24
"""Wei that each of our accounts has in the genesis of an embedded chain: it has no other use there."""

_PATIENCE_S = 10.0
"""How long a command waits for another one to let go of the embedded chain."""


_DEPLOYING_GAS, _ACTING_GAS = 20_000_000, 5_000_000
"""Gas that an account must be able to pay for before founding: that of the contracts with room, and of some calls."""


class Contracts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the contracts stand: on which chain (EIP-155 id), since which block; what their creation cost in gas."""

    contracts: dict[str, str]
    chain_id: int = 0
    start_block: int = 0
    gas: dict[str, int] = {}


@dataclass(frozen=True, slots=True)
class OpenLedger:
    """A ledger in use; `node` is the embedded chain if this process holds it, `url` where another process serves it."""

    ledger: Ledger
    node: EmbeddedNode | None = None
    url: str = ""


def accounts(config: Config, keys: KeyManagement) -> Mapping[str, str]:
    """Return every member's chain account: from the configuration, else from the key store."""
    members = [member for organisation in config.organisations for member in organisation.members]
    return {member.name: member.account or keys.address(member.name) for member in members}


@contextmanager
def open_ledger(home: Home, config: Config, keys: Keys) -> Iterator[OpenLedger]:
    """Open the ledger of a founded deployment."""
    if is_log(config):
        load_contracts(home)
        with log_ledger(home, config, keys) as log:
            yield OpenLedger(log)
        return
    founded = load_contracts(home)
    with _transport(home, config, keys) as (transport, node, url):
        ledger = EvmLedger(transport, _settings(home, config, founded), keys)
        try:
            yield OpenLedger(ledger, node, url)
        finally:
            ledger.close()


def found_ledger(home: Home, config: Config, keys: Keys) -> tuple[Contracts, str]:
    """Deploy the contracts with the configured members, once, and write down where they stand.

    Also returns the account of a development node that gave ours ether, or "" where none did.
    """
    if home.contracts.exists():
        return load_contracts(home), ""
    members = [
        (accounts(config, keys)[member.name], org_id(organisation.name), sum(ROLES[role] for role in member.roles))
        for organisation in config.organisations
        for member in organisation.members
    ]
    if is_log(config):
        found_log(home, config, keys, members)
        return _write_down(home, Contracts({})), ""
    with _transport(home, config, keys) as (transport, _, _):
        settings = _settings(home, config, Contracts({}))
        chain_id = _checked_id(transport, settings)
        giver = fund(transport, _needs(config, keys))
        made = deploy(transport, settings, keys, ANCHORER, config.deployment, members, config.threshold)
    return _write_down(home, Contracts(dict(made.contracts), chain_id, made.start_block, dict(made.gas))), giver


def _needs(config: Config, keys: Keys) -> Mapping[str, Need]:
    """Return what our own accounts must be able to pay for; accounts that are held elsewhere are not our affair."""
    acting = [member.name for item in config.organisations for member in item.members if not member.account]
    needs = {name: Need(keys.address(name), _ACTING_GAS) for name in acting}
    return {ANCHORER: Need(keys.address(ANCHORER), _DEPLOYING_GAS), **needs}


def _checked_id(transport: Transport, settings: EvmSettings) -> int:
    """Return the chain's id; raises ConfigError `chain-id` if another is configured, before anything is paid."""
    found = Chain(transport).chain_id()
    if settings.chain_id not in (None, found):
        raise ConfigError(
            f"ledger.chain_id is {settings.chain_id}, and the node is on chain {found}",
            code="chain-id",
            hint="correct the node's address or the chain id; nothing was sent",
        )
    return found


def _write_down(home: Home, founded: Contracts) -> Contracts:
    replace(home.contracts, msgspec.json.format(msgspec.json.encode(founded), indent=2) + b"\n", mode=0o644)
    return founded


def load_contracts(home: Home) -> Contracts:
    """Read where the contracts stand; raises ConfigError `no-deployment` before they were deployed."""
    with translating(f"read {home.contracts}"):
        if not home.contracts.exists():
            raise ConfigError(
                f"the deployment in {home.path} is not founded", code="no-deployment", hint="run: mooring init"
            )
        data = home.contracts.read_bytes()
    try:
        return msgspec.json.decode(data, type=Contracts)
    except msgspec.MsgspecError as error:
        raise ConfigError(
            f"{home.contracts}: {error}", code="config", hint="restore it: it names the deployed contracts"
        ) from error


def _settings(home: Home, config: Config, founded: Contracts) -> EvmSettings:
    embedded = urlsplit(config.ledger.url).scheme == "embedded"
    if founded.chain_id and config.ledger.chain_id not in (0, founded.chain_id):
        raise ConfigError(
            f"{home.config} says chain_id {config.ledger.chain_id}, and {home.contracts} says {founded.chain_id}",
            code="chain-id",
            hint="correct the one that is wrong; nothing was sent",
        )
    return EvmSettings(
        outbox=home.outbox,
        contracts=founded.contracts,
        chain_id=founded.chain_id or config.ledger.chain_id or None,
        finality_depth=config.ledger.finality_depth,
        operators=config.ledger.operators,
        kind="embedded" if embedded else "evm",
        start_block=founded.start_block,
    )


@contextmanager
def _transport(home: Home, config: Config, keys: KeyManagement) -> Iterator[tuple[Transport, EmbeddedNode | None, str]]:
    """Reach the chain: in this process, in the process that holds it, or at its URL."""
    url = urlsplit(config.ledger.url)
    with ExitStack() as stack:
        if url.scheme in ("http", "https"):
            yield _http(stack, config.ledger.url), None, config.ledger.url
            return
        if url.scheme != "embedded":
            raise ConfigError(
                f"ledger.url {config.ledger.url[:100]!r}", code="config", hint="expected embedded:, http(s): or tlog:"
            )
        held = _held_chain(_folder(home, config), config, keys)
        if isinstance(held, str):
            yield _http(stack, held), None, held
            return
        from mooring.ledger.embedded.transport import LocalTransport

        stack.callback(held.close)
        yield LocalTransport(held), held, ""


def _held_chain(folder: Path, config: Config, keys: KeyManagement) -> EmbeddedNode | str:
    """Take the embedded chain, or return where the process that holds it answers.

    One that holds it and does not answer is a command that soon ends, or a service that is about to answer: it is
    waited for; then BusyError names it.
    """
    until = time.monotonic() + _PATIENCE_S
    while True:
        served = find_endpoint(folder)
        if served is not None:
            return served
        # py-evm takes most of a second to import: only the process that holds the chain pays for it
        from mooring.ledger.embedded.node import EmbeddedNode

        holders = (*accounts(config, keys).values(), keys.address(ANCHORER))
        genesis = {bytes.fromhex(address[2:]): _ENDOWMENT for address in holders}
        try:
            return EmbeddedNode.open(folder, chain_id=config.ledger.chain_id, genesis_accounts=genesis)
        except BusyError:
            if time.monotonic() >= until:
                raise
        time.sleep(0.05)


def require_unheld(home: Home, config: Config) -> None:
    """Raise BusyError naming the process that holds the embedded chain; return if nobody does, or it is no such."""
    if urlsplit(config.ledger.url).scheme == "embedded":
        ChainLock.acquire(_folder(home, config)).release()


def _folder(home: Home, config: Config) -> Path:
    url = urlsplit(config.ledger.url)
    return home.resolve(url.path.lstrip("/") if url.netloc == "" else url.netloc + url.path)


def _http(stack: ExitStack, url: str) -> HttpTransport:
    transport = HttpTransport([url])
    stack.callback(transport.close)
    return transport


@contextmanager
def serve_node(node: EmbeddedNode, port: int) -> Iterator[str]:
    """Serve an embedded chain's JSON-RPC on loopback while the block lasts; yields its URL."""
    from mooring.ledger.embedded.server import serve

    with serve(node, port=port) as server:
        yield server.url
