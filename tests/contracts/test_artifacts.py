"""What ships is what its sources compile to, and behaves on another EVM as on ours."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
from eth_abi import encode
from eth_utils import to_checksum_address
from localchain import Chain, account, address
from people import digest

from mooring.errors import ConfigError
from mooring.ledger.contracts import NAMES, Artifact, artifact

CONTRACTS = Path(__file__).resolve().parents[2] / "contracts"
ROOM = files("mooring.ledger.contracts")


@pytest.mark.parametrize("name", NAMES)
def test_an_artifact_says_what_it_was_made_from(name: str) -> None:
    found = artifact(name)
    assert found.name == name
    assert found.compiler.startswith("solc 0.8.")
    assert found.settings["evmVersion"] == "cancun"
    assert found.settings["optimizer"]["enabled"] is True  # type: ignore[index]
    assert found.deployed_bytecode in found.bytecode
    assert f"src/{name}.sol" in found.sources


@pytest.mark.parametrize("name", NAMES)
def test_the_sources_beside_an_artifact_are_those_it_was_made_from(name: str) -> None:
    own = {source: hash_ for source, hash_ in artifact(name).sources.items() if source.startswith("src/")}
    assert own
    for source, hash_ in own.items():
        assert hashlib.sha256(ROOM.joinpath(source).read_bytes()).hexdigest() == hash_, f"{source} was edited: rebuild"


@pytest.mark.parametrize("name", NAMES)
def test_a_contract_fits_the_limit_of_eip_170(name: str) -> None:
    assert len(artifact(name).deployed_bytecode) <= 24_576
    assert len(artifact(name).bytecode) <= 49_152


@pytest.mark.parametrize("name", ["", "ERC721", "../errors", "assetregistry"])
def test_another_contract_does_not_ship(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        artifact(name)
    assert caught.value.code == "artifact-unknown"
    assert "AssetRegistry" in caught.value.hint


def test_only_openzeppelin_under_mit_is_compiled_in() -> None:
    for name in NAMES:
        foreign = [source for source in artifact(name).sources if not source.startswith("src/")]
        assert all(source.startswith("@openzeppelin/contracts/") for source in foreign)


def test_the_lock_file_names_no_registry() -> None:
    lock = (CONTRACTS / "package-lock.json").read_text()
    assert "resolved" not in lock
    assert "://" not in lock.replace("https://github.com/sponsors", "")


def test_the_lock_file_knows_every_platform_so_that_npm_ci_accepts_it() -> None:
    packages = json.loads((CONTRACTS / "package-lock.json").read_text())["packages"]
    wanted = packages["node_modules/@foundry-rs/anvil"]["optionalDependencies"]
    assert wanted
    for name, version in wanted.items():
        assert packages[f"node_modules/{name}"]["version"] == version
        assert packages[f"node_modules/{name}"]["optional"] is True


def test_what_the_lock_file_installs_here_is_pinned_by_hash() -> None:
    packages = json.loads((CONTRACTS / "package-lock.json").read_text())["packages"]
    unpinned = {name for name, entry in packages.items() if name and "integrity" not in entry}
    assert all(name.startswith("node_modules/@foundry-rs/anvil-") for name in unpinned)
    assert "node_modules/@foundry-rs/anvil-linux-amd64" not in unpinned


def test_the_errors_in_the_readme_are_those_of_the_contracts() -> None:
    text = (CONTRACTS / "README.md").read_text()
    table = text[text.index("## Errors") :]
    listed = {line.split("`")[1] for line in table.splitlines() if line.startswith("| `")}
    declared = {
        f"{item['name']}({', '.join(part['name'] for part in item['inputs'])})"  # type: ignore[attr-defined]
        for name in NAMES
        for item in artifact(name).abi
        if item["type"] == "error" and not str(item["name"]).startswith("ERC")
    }
    assert listed == declared


# With Node


def tool(name: str) -> str:
    path = CONTRACTS / "node_modules" / ".bin" / name
    if not path.exists() or shutil.which("node") is None:
        pytest.skip("needs Node.js and `npm ci` in contracts/")
    return str(path)


@pytest.mark.node
@pytest.mark.slow
def test_the_sources_compile_to_the_committed_artifacts() -> None:
    tool("solcjs")
    done = subprocess.run(
        ["npm", "run", "--silent", "check"], cwd=CONTRACTS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("as committed") == len(NAMES)


@pytest.mark.node
@pytest.mark.slow
def test_a_changed_source_does_not_pass_for_the_committed_one(tmp_path: Path) -> None:
    tool("solcjs")
    room = tmp_path / "src" / "mooring" / "ledger" / "contracts"
    with_artifacts = Path(str(ROOM))
    shutil.copytree(with_artifacts / "src", room / "src")
    shutil.copytree(with_artifacts / "build", room / "build")
    (tmp_path / "contracts").mkdir()
    shutil.copy(CONTRACTS / "compile.mjs", tmp_path / "contracts")
    (tmp_path / "contracts" / "node_modules").symlink_to(CONTRACTS / "node_modules")
    source = room / "src" / "Quorum.sol"
    source.write_text(source.read_text().replace("count >= charter.threshold", "count > charter.threshold"))
    command = ["node", "compile.mjs", "--check"]
    done = subprocess.run(command, cwd=tmp_path / "contracts", capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "AssetRegistry.json is not what its sources compile to" in done.stderr


@pytest.fixture
def anvil() -> Iterator[str]:
    """The URL of a development chain with our chain id and Prague rules."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--port", str(port), "--chain-id", "1337", "--hardfork", "prague", "--quiet"]
    process = subprocess.Popen([tool("anvil"), *options], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(200):
            try:
                rpc(url, "eth_chainId")
                break
            except OSError:
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def rpc(url: str, method: str, *params: Any) -> Any:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()
    request = urllib.request.Request(url, body, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as response:
        answer = json.load(response)
    assert "error" not in answer, answer
    return answer["result"]


class Remote:
    """A chain behind JSON-RPC that runs the transactions which our own chain ran."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.nonces: dict[str, int] = {}

    def send(self, who: str, to: bytes, data: bytes) -> dict[str, Any]:
        nonce = self.nonces.setdefault(who, 0)
        if nonce == 0:
            rpc(self.url, "anvil_setBalance", account(who).address, hex(10**24))
        self.nonces[who] += 1
        fields: dict[str, Any] = {"chainId": 1337, "nonce": nonce, "gas": 20_000_000, "gasPrice": 2 * 10**9, "value": 0}
        fields |= {"data": data} | ({"to": to_checksum_address(to)} if to else {})
        raw = account(who).sign_transaction(fields).raw_transaction
        return self.receipt(rpc(self.url, "eth_sendRawTransaction", "0x" + raw.hex()))

    def receipt(self, transaction: str) -> dict[str, Any]:
        for _ in range(200):
            found: dict[str, Any] | None = rpc(self.url, "eth_getTransactionReceipt", transaction)
            if found is not None:
                return found
            time.sleep(0.05)
        raise AssertionError(f"{transaction} was not mined within ten seconds")

    def deploy(self, found: Artifact, args: bytes) -> tuple[bytes, int]:
        receipt = self.send("deployer", b"", found.bytecode + args)
        return bytes.fromhex(receipt["contractAddress"][2:]), int(receipt["gasUsed"], 16)


@pytest.mark.node
def test_another_evm_charges_the_same_gas_for_the_same_life(anvil: str) -> None:
    members = [(address(who), digest(who), 15) for who in ("ann", "ben", "cem")]
    ours = Chain("ann", "ben", "cem").deploy("AssetRegistry", "Parity", members, 2)
    there = Remote(anvil)
    arguments = encode(["string", "(address,bytes32,uint8)[]", "uint8"], ["Parity", members, 2])
    where, gas = there.deploy(artifact("AssetRegistry"), arguments)
    assert (where, gas) == (ours.address, ours.deployment.gas)

    def both(who: str, name: str, *args: Any) -> Any:
        here = ours.send(who, name, *args)
        receipt = there.send(who, where, here.data)
        assert (receipt["status"], int(receipt["gasUsed"], 16)) == ("0x1", here.gas), name
        assert len(receipt["logs"]) == len(here.events), name
        return here.result

    asset = both("ann", "createAsset", 2, "model", address("ann"), 250)
    version = both("ann", "propose", asset, "1.0.0", digest("m"), digest("a"), [])
    both("ben", "approveRound", version, 1, digest("e"))
    both("cem", "approve(bytes32,bytes32)", version, digest("e"))
    both("ann", "activate", version)
    both("ben", "suspend", version, digest("r"))
    both("ann", "revoke", version, digest("r"))
    both("ben", "revoke", version, digest("r"))
    both("cem", "registerKey", digest("k"), 1, 2)
