"""Gas of every contract operation beside its floor, on py-evm with Prague rules; needs neither Node nor a network.

The floor of a transaction is what no contract could avoid for the same calldata, the same slots and the same events:
21,000 + calldata (EIP-2028; at least the EIP-7623 minimum) + the slots that really changed + logs, less the refund for
cleared slots (EIP-3529). Reads, hashing, checks and ABI work are what the ratio shows on top.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests" / "contracts"))

from localchain import Chain, Contract, Outcome, address

TRANSACTION = 21_000
NEW_SLOT, UPDATED_SLOT, CLEARED_REFUND = 22_100, 5_000, 4_800  # EIP-2200, 2929, 3529
LOG, LOG_TOPIC, LOG_BYTE = 375, 375, 8  # Yellow Paper, appendix G

CITED = {
    "EAS attest": (180_132, "measured by the Mooring authors on Prague rules"),
    "EAS timestamp": (45_869, "measured by the Mooring authors on Prague rules"),
}
AIMS = {"propose": 1.2, "propose, one parent": 1.2}
ANCHOR_AIM = 45_000


@dataclass(frozen=True, slots=True)
class Row:
    """One operation's cost; `floor` in gas, `new`, `updated`, `cleared` in slots, `log_bytes` without topics."""

    operation: str
    gas: int
    floor: int
    ratio: float
    calldata_bytes: int
    new: int
    updated: int
    cleared: int
    log_bytes: int


def digest(text: str) -> bytes:
    """Return the SHA-256 of a text: every digest in the benchmark looks like a real one."""
    return hashlib.sha256(text.encode()).digest()


def calldata_gas(data: bytes) -> tuple[int, int]:
    """Return the price of calldata by EIP-2028 and the least that EIP-7623 demands for it."""
    zero = data.count(0)
    tokens = zero + 4 * (len(data) - zero)
    return 4 * tokens, 10 * tokens


def row(operation: str, outcome: Outcome) -> Row:
    """Return an outcome with its floor."""
    pairs = outcome.written.values()
    new, cleared = sum(not before for before, _ in pairs), sum(not after for _, after in pairs)
    updated = len(pairs) - new - cleared
    log_bytes = sum(len(log.data) for log in outcome.logs)
    logs = sum(LOG + LOG_TOPIC * len(log.topics) for log in outcome.logs) + LOG_BYTE * log_bytes
    price, least = calldata_gas(outcome.data)
    spent = TRANSACTION + price + new * NEW_SLOT + (updated + cleared) * UPDATED_SLOT + logs
    floor = max(spent - min(cleared * CLEARED_REFUND, spent // 5), TRANSACTION + least)
    ratio = round(outcome.gas / floor, 3)
    return Row(operation, outcome.gas, floor, ratio, len(outcome.data), new, updated, cleared, log_bytes)


def registry(chain: Chain) -> Contract:
    """Deploy a registry of three organisations that each hold every role; two must agree."""
    members = [(address(who), digest(who), 15) for who in ("ann", "ben", "cem")]
    return chain.deploy("AssetRegistry", "Benchmark", members, 2)


def lifecycle(contract: Contract) -> Iterator[tuple[str, Outcome]]:
    """Yield every step in a version's life, in the steady state: no owner's first token, no first use of a slot."""
    send = contract.send
    first = send("ann", "createAsset", 1, "breast-cancer/data", address("ann"), 250)
    data = send("ann", "propose", first.result, "1.0.0", digest("m0"), digest("a0"), [])
    yield "createAsset, owner's first", first
    created = send("ann", "createAsset", 2, "breast-cancer/model", address("ann"), 250)
    yield "createAsset", created
    yield "propose", send("ann", "propose", created.result, "0.9.0", digest("m1"), digest("a1"), [])
    later = send("ann", "propose", created.result, "1.0.0", digest("m2"), digest("a2"), [data.result])
    yield "propose, one parent", later
    old = contract.call("versionOf", data.result)
    assert old[4] == 1
    yield "approve, first of two", send("ben", "approveRound", later.result, 1, digest("e1"))
    yield "approve, completing", send("cem", "approveRound", later.result, 1, digest("e2"))
    yield "activate, asset's first", send("cem", "activate", later.result)
    yield from incidents(contract, created.result, later.result)


def incidents(contract: Contract, asset: int, version: bytes) -> Iterator[tuple[str, Outcome]]:
    """Yield what follows once a bad version was activated over a good one."""
    send = contract.send
    bad = send("ann", "propose", asset, "2.0.0", digest("m3"), digest("a3"), [version]).result
    for who in ("ben", "cem"):
        send(who, "approveRound", bad, 1, digest(who))
    yield "activate", send("cem", "activate", bad)
    yield "rollback", send("cem", "rollback", asset, version, digest("r1"))
    yield "suspend, not current", send("ben", "suspend", bad, digest("r2"))
    yield "revoke, first vote", send("ann", "revoke", bad, digest("r3"))
    yield "revoke, completing", send("ben", "revoke", bad, digest("r3"))
    yield "suspend, current", send("ben", "suspend", version, digest("r4"))
    yield "retire", send("cem", "retire", version, digest("r5"))


def governance(contract: Contract) -> Iterator[tuple[str, Outcome]]:
    """Yield votes and keys."""
    send = contract.send
    yield "setPolicy, first vote", send("ann", "setPolicy", 0, digest("p"))
    yield "setPolicy, completing", send("ben", "setPolicy", 0, digest("p"))
    send("ann", "setMember", address("dan"), digest("dan"), 3)
    yield "setMember, new organisation", send("ben", "setMember", address("dan"), digest("dan"), 3)
    send("ann", "setThreshold", 3)
    yield "setThreshold, completing", send("ben", "setThreshold", 3)
    yield "registerKey", send("ann", "registerKey", digest("k"), 1_700_000_000, 1_800_000_000)
    yield "revokeKey", send("ann", "revokeKey", digest("k"), 1_750_000_000)


def anchoring(contract: Contract) -> Iterator[tuple[str, Outcome]]:
    """Yield the life of an origin."""
    opened = contract.send("ann", "open", "mooring.local/demo/records", 1_000, digest("r1"))
    yield "open", opened
    yield "anchor", contract.send("ann", "anchor", opened.result, 1_000_000, digest("r2"))
    yield "handOver", contract.send("ann", "handOver", opened.result, address("ben"))


def measure() -> list[Row]:
    """Run every operation once and return its row; the same figures every time."""
    chain = Chain("ann", "ben", "cem")
    contract, anchor = registry(chain), chain.deploy("CheckpointAnchor")
    steps = (*lifecycle(contract), *governance(contract), *anchoring(anchor))
    return [row(operation, outcome) for operation, outcome in steps]


def deployments() -> dict[str, int]:
    """Return the gas of deploying each contract; the registry with three founding members."""
    chain = Chain()
    anchor = chain.deploy("CheckpointAnchor").deployment.gas
    return {"AssetRegistry": registry(chain).deployment.gas, "CheckpointAnchor": anchor}


def missed(rows: list[Row]) -> list[str]:
    """Return the aims that the rows miss, as sentences."""
    found = {each.operation: each for each in rows}
    late = [f"{name}: {found[name].ratio} x floor, aim {aim}" for name, aim in AIMS.items() if found[name].ratio > aim]
    if found["anchor"].gas > ANCHOR_AIM:
        late.append(f"anchor: {found['anchor'].gas} gas, aim {ANCHOR_AIM}")
    return late


def table(rows: list[Row]) -> str:
    """Return the rows as a text table, with the cited figures below and each operation's share of EAS attest."""
    attest = CITED["EAS attest"][0]
    lines = [f"{'operation':30}{'gas':>9}{'floor':>9}{'ratio':>7}{'slots new/upd/clr':>19}{'of EAS attest':>15}"]
    for each in rows:
        slots = f"{each.new}/{each.updated}/{each.cleared}"
        lines.append(
            f"{each.operation:30}{each.gas:>9,}{each.floor:>9,}{each.ratio:>7.2f}{slots:>19}{each.gas / attest:>14.0%}"
        )
    lines += [f"{name:30}{gas:>9,}  cited: {source}" for name, (gas, source) in CITED.items()]
    return "\n".join(lines)


def main() -> int:
    """Print the figures; exit 1 if an aim is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    rows, deployed = measure(), deployments()
    late = missed(rows)
    if options.json:
        cited = {name: {"gas": gas, "source": source} for name, (gas, source) in CITED.items()}
        record = {"rules": "prague", "tag": "measured", "operations": [asdict(each) for each in rows]}
        print(json.dumps(record | {"deployments": deployed, "cited": cited, "missed": late}, indent=2))
    else:
        print(table(rows))
        print("\n".join(f"{f'deploy {name}':30}{gas:>9,}" for name, gas in deployed.items()))
        print("\n".join(late) or "aims met: propose at most 1.2 x floor, anchor at most 45,000 gas")
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
