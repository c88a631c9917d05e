"""What every field of a configuration may be; the first that is not so is refused by name."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, urlsplit

from mooring.errors import MooringError
from mooring.proofs.keys import PublicKey, checksum_address
from mooring.proofs.note import COSIGNATURE, parse_vkey
from mooring.records.predicates import check_label, check_origin

if TYPE_CHECKING:
    from mooring.wiring.config import Anchoring, Config, Gateway, LedgerConfig, Organisation, Storage

__all__ = ["Problem", "problems"]

Problem = tuple[str, str]
"""What is wrong, naming the field and its value; what is expected instead."""

_ADDRESS = re.compile("0x[0-9a-fA-F]{40}")
_NAME = re.compile("[a-z0-9][a-z0-9-]{0,47}")
_PURPOSE = re.compile("[A-Za-z0-9][A-Za-z0-9._:/-]{0,63}")
_TOKEN = re.compile("[0-9a-f]{64}")
_RESERVED = re.compile("anchorer|log-(records|receipts|ledger)|.*-(attest|witness)")
_ORGANISATIONS = 64
_ORIGIN = 200
_DAY_S = 86_400.0
_YEAR_S = 366 * _DAY_S


def problems(config: Config, roles: Iterable[str]) -> Iterator[Problem]:
    """Yield everything that is wrong with a configuration."""
    yield from _deployment(config)
    yield from _names(config)
    for place, organisation in enumerate(config.organisations):
        yield from _organisation(f"organisation[{place}]", organisation, frozenset(roles))
    yield from _accounts(config)
    yield from _quorums(config)
    yield from _ledger(config.ledger)
    yield from _storage(config.storage)
    yield from _partition(config.partition)
    yield from _gateway(config.gateway)


def _deployment(config: Config) -> Iterator[Problem]:
    yield from _parsed("deployment", config.deployment, lambda text: check_origin("deployment", f"{text}/receipts"))
    if len(config.deployment) > _ORIGIN or not config.deployment:
        yield f"deployment has {len(config.deployment)} characters", f"1 to {_ORIGIN}, like example.org/production"


def _names(config: Config) -> Iterator[Problem]:
    names = [(f"organisation[{i}].name", item.name) for i, item in enumerate(config.organisations)]
    for i, item in enumerate(config.organisations):
        names += [(f"organisation[{i}].member[{j}].name", member.name) for j, member in enumerate(item.members)]
    seen: dict[str, str] = {}
    for field, name in names:
        yield from _parsed(field, name, lambda text: check_label("name", text))
        if _NAME.fullmatch(name) is None:
            yield f"{field} {name!r:.80}", "1 to 48 of a-z, 0-9 and '-', starting with a letter or digit"
        if _RESERVED.fullmatch(name):
            yield f"{field} {name!r:.80} is the name of a key", "another name: keys of members are named after them"
        if name in seen:
            yield f"{field} {name!r:.80} is also {seen[name]}", "every organisation and member under a name of its own"
        seen[name] = field


def _organisation(field: str, organisation: Organisation, roles: frozenset[str]) -> Iterator[Problem]:
    if not organisation.members:
        yield f"{field}.member is empty", "at least one member"
    for place, member in enumerate(organisation.members):
        where = f"{field}.member[{place}]"
        if not member.roles or not set(member.roles) <= roles or len(set(member.roles)) != len(member.roles):
            shown = ", ".join(member.roles) or "none"
            yield (
                f"{where}.roles of {member.name}: {shown:.80}",
                f"one or more of {', '.join(sorted(roles))}, each once",
            )
        if member.account and not _is_address(member.account):
            yield f"{where}.account {member.account!r:.80}", "an address with its checksum (EIP-55)"
    if organisation.attest_key:
        yield from _parsed(f"{field}.attest_key", organisation.attest_key, PublicKey.from_text)
    if organisation.witness_key:
        yield from _parsed(f"{field}.witness_key", organisation.witness_key, _require_cosigner)


def _accounts(config: Config) -> Iterator[Problem]:
    given = [member.account for item in config.organisations for member in item.members if member.account]
    twice = {account for account in given if given.count(account) > 1}
    if twice:
        yield f"organisation.member.account {min(twice)} is given twice", "an account of its own for every member"


def _quorums(config: Config) -> Iterator[Problem]:
    count = len(config.organisations)
    if not 1 <= count <= _ORGANISATIONS:
        yield f"organisation: there are {count}", f"1 to {_ORGANISATIONS} organisations"
    approving = sum(any("approver" in member.roles for member in item.members) for item in config.organisations)
    bounds = {
        "threshold": (1, approving, "the number of organisations that have an approver"),
        "witnesses_required": (0, count, "the number of organisations"),
        "observers_required": (1, count, "the number of organisations"),
    }
    for field, (least, most, what) in bounds.items():
        if not least <= getattr(config, field) <= most:
            yield f"{field} {getattr(config, field)}", f"{least} to {what} ({most})"
    yield from _number("custodians", config.custodians, 1, 10_000)


def _ledger(ledger: LedgerConfig) -> Iterator[Problem]:
    url = _split(ledger.url)
    if url is None or url.scheme not in ("embedded", "http", "https", "tlog"):
        yield f"ledger.url {ledger.url!r:.100}", "embedded:///chain, http(s)://host:port, or tlog:///ledger"
    elif url.scheme in ("http", "https") and not url.hostname:
        yield f"ledger.url {ledger.url!r:.100} names no host", "like http://127.0.0.1:8545"
    elif url.scheme in ("embedded", "tlog") and (url.netloc or not _is_inside(url.path)):
        yield f"ledger.url {ledger.url!r:.100}", f"{url.scheme}:///folder, a folder inside the deployment's"
    least = 1 if url is not None and url.scheme == "embedded" else 0
    yield from _number("ledger.chain_id", ledger.chain_id, least, 2**53)
    yield from _number("ledger.operators", ledger.operators, 1, 1_000_000)
    yield from _number("ledger.finality_depth", ledger.finality_depth, 0, 1_000_000)
    yield from _number("ledger.interval_s", ledger.interval_s, 0.01, _DAY_S)
    yield from _number("ledger.max_staleness_s", ledger.max_staleness_s, ledger.interval_s, _DAY_S)
    yield from _number("ledger.confirm_timeout_s", ledger.confirm_timeout_s, 0.1, _DAY_S)


def _storage(storage: Storage) -> Iterator[Problem]:
    blobs, index = _split(storage.blobs), _split(storage.index)
    local = blobs is not None and blobs.scheme == "file" and not blobs.netloc and bool(blobs.path)
    remote = blobs is not None and blobs.scheme == "s3" and bool(blobs.netloc)
    if not local and not remote:
        yield f"storage.blobs {storage.blobs!r:.100}", "file:folder or s3://bucket/prefix?endpoint=…&region=…"
    if storage.index and (index is None or index.scheme not in ("sqlite", "postgresql")):
        shown = storage.index.partition(":")[0]  # the rest may hold a password
        yield f"storage.index begins with {shown!r:.40}", "nothing, sqlite:///path or postgresql://user@host/database"
    if storage.keys not in ("file:", "env:"):
        yield f"storage.keys {storage.keys!r:.100}", "file: (encrypted files here) or env: (the environment)"


def _partition(partition: Anchoring) -> Iterator[Problem]:
    yield from _number("partition.seal_interval_s", partition.seal_interval_s, 0.01, _DAY_S)
    yield from _number("partition.anchor_interval_s", partition.anchor_interval_s, 0.01, _YEAR_S)
    yield from _number("partition.batch", partition.batch, 1, 2**40)


def _gateway(gateway: Gateway) -> Iterator[Problem]:
    if not gateway.host or len(gateway.host) > 255 or any(char.isspace() for char in gateway.host):
        yield f"gateway.host {gateway.host!r:.80}", "a name or address to listen on, like 127.0.0.1"
    yield from _number("gateway.port", gateway.port, 0, 65_535)
    if _PURPOSE.fullmatch(gateway.purpose) is None:
        yield f"gateway.purpose {gateway.purpose!r:.80}", "1 to 64 of letters, digits and . _ : / -"
    for field, most in (("max_body", 2**31), ("max_rows", 2**31), ("queue", 1_000_000), ("micro_batch", 1_000_000)):
        yield from _number(f"gateway.{field}", getattr(gateway, field), 1, most)
    yield from _number("gateway.timeout_s", gateway.timeout_s, 0.001, _DAY_S)
    yield from _number("gateway.trace_share", gateway.trace_share, 0, 1)
    yield from _endpoint(gateway.otlp_endpoint)
    yield from _callers(gateway.callers)


def _endpoint(endpoint: str) -> Iterator[Problem]:
    url = _split(endpoint)
    if endpoint and (url is None or url.scheme not in ("http", "https") or not url.hostname):
        yield f"gateway.otlp_endpoint {endpoint!r:.100}", "nothing, or http(s)://host:port/v1/traces"


def _callers(callers: Mapping[str, str]) -> Iterator[Problem]:
    seen: dict[str, str] = {}
    for name, digest in callers.items():
        if not 0 < len(name) <= 256 or not name.isprintable() or name == "anonymous":
            yield f"gateway.callers {name!r:.80}", "printable names of 1 to 256 characters other than 'anonymous'"
        if _TOKEN.fullmatch(digest) is None:
            yield f"gateway.callers.{name:.80}", "the SHA-256 of the caller's token: 64 lower-case hex digits"
        if digest in seen:
            yield (
                f"gateway.callers.{name:.80} has the token of {seen[digest]:.80}",
                "a token of its own for every caller",
            )
        seen[digest] = name


def _number(field: str, value: float, least: float, most: float) -> Iterator[Problem]:
    if not math.isfinite(value) or not least <= value <= most:
        yield f"{field} {value}", f"{least:,} to {most:,}"


def _parsed(field: str, text: str, parse: Callable[[str], object]) -> Iterator[Problem]:
    try:
        parse(text)
    except MooringError as error:
        yield f"{field}: {error.message}", error.hint


def _require_cosigner(text: str) -> None:
    if parse_vkey(text).type != COSIGNATURE:
        raise MooringError("the key is not of a witness", code="config", hint="a C2SP vkey of type 0x04")


def _is_address(text: str) -> bool:
    return _ADDRESS.fullmatch(text) is not None and checksum_address(bytes.fromhex(text[2:])) == text


def _is_inside(location: str) -> bool:
    parts = location.strip("/").split("/")
    return bool(location.strip("/")) and not any(part in ("", ".", "..") for part in parts)


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return None
    return parts
