"""Founding: one command for one machine, one file for real use, and on from wherever it broke off."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.workflows.stage import NAME, Stages

from mooring.errors import MooringError, NotFoundError
from mooring.wiring import founding, stores
from mooring.wiring.config import load
from mooring.wiring.founding import found, local_config
from mooring.wiring.home import Home
from mooring.wiring.session import open_session

LOCAL = local_config(NAME, "embedded:///chain")


class Crash(BaseException):
    """Stands for a killed process."""


def begin(folder: Path, text: str = LOCAL, **options: bool) -> tuple[founding.Founded, list[str]]:
    said: list[str] = []
    return found(Home(folder), text, local=options.get("local", True), say=said.append), said


def pem(kind: str) -> str:
    made = {"ed25519": Ed25519PrivateKey.generate, "p256": lambda: ec.generate_private_key(ec.SECP256R1())}
    key = made.get(kind, lambda: ec.generate_private_key(ec.SECP256K1()))()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()  # type: ignore[attr-defined]


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(MooringError) as caught:
        act()
    return caught.value.code


def test_founding_again_changes_nothing(home: Path) -> None:
    before = {path: path.read_bytes() for path in home.rglob("*.json")}
    with open_session(Home(home)) as session:
        events = len(session.deployment.events())
    again, said = begin(home)
    assert (again.deployment, again.organisations["lab"]) == (NAME, ["bob"])
    assert said == ["keys", "contracts", "attestation keys and policy"]
    assert {path: path.read_bytes() for path in home.rglob("*.json")} == before
    with open_session(Home(home)) as session:
        assert len(session.deployment.events()) == events


def test_another_configuration_in_a_founded_folder_is_refused(home: Path) -> None:
    text = (home / "mooring.toml").read_bytes()
    assert refusal(lambda: begin(home, LOCAL.replace("threshold = 2", "threshold = 3"))) == "deployment-exists"
    assert (home / "mooring.toml").read_bytes() == text


def test_a_configuration_that_cannot_be_used_leaves_no_folder(tmp_path: Path) -> None:
    assert refusal(lambda: begin(tmp_path / "h", LOCAL.replace("embedded:", "ftp:"))) == "config"
    assert not (tmp_path / "h").exists()


def test_a_place_that_cannot_hold_a_deployment_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert refusal(lambda: begin(tmp_path / "file" / "h")) == "path-vanished"
    assert refusal(lambda: begin(Path("/proc/nowhere/h"))) in ("path-vanished", "permission-denied")


def test_private_things_are_private(home: Path) -> None:
    for path in (home, home / "passphrase", *(home / "keys").iterdir()):
        assert path.stat().st_mode & 0o077 == 0, path


BREAKS = ("make_keys", "stores.make_blobs", "stores.make_logs", "found_ledger", "register_key", "set_policy")


@pytest.mark.parametrize("broken", BREAKS)
def test_founding_that_broke_off_after_a_step_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    owner, _, name = broken.rpartition(".")
    place = getattr(founding, owner) if owner else founding
    whole = getattr(place, name)

    def crash(*args: object, **kwargs: object) -> None:
        whole(*args, **kwargs)
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(place, name, crash)
        with pytest.raises(Crash):
            begin(tmp_path / "h")
    made, _ = begin(tmp_path / "h")
    with open_session(Home(tmp_path / "h")) as session:
        state = session.deployment.follow()
        assert (len(state.keys), len(state.policies), state.threshold) == (3, 1, 2)
        assert dict(session.deployment.ledger.profile.contracts) == made.contracts
    assert Path(made.trust).exists()


def test_keys_that_the_environment_lacks_are_named(tmp_path: Path) -> None:
    text = LOCAL.replace("[ledger]", '[storage]\nkeys = "env:"\n[ledger]')
    with pytest.raises(NotFoundError, match="alice, anchorer, auditor-attest") as caught:
        begin(tmp_path / "h", text, local=False)
    assert (caught.value.code, "MOORING_KEY_<NAME>" in caught.value.hint) == ("key-missing", True)


def test_keys_of_the_environment_found_a_deployment_and_act_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = {"log-records": "ed25519", "log-receipts": "ed25519", "anchorer": "secp256k1"}
    for organisation, member in (("hospital", "alice"), ("lab", "bob"), ("auditor", "carol")):
        wanted |= {f"{organisation}-attest": "p256", f"{organisation}-witness": "ed25519", member: "secp256k1"}
    for name, kind in wanted.items():
        monkeypatch.setenv(f"MOORING_KEY_{name.upper().replace('-', '_')}", pem(kind).replace("\n", "\\n"))
    text = LOCAL.replace("[ledger]", '[storage]\nkeys = "env:"\n[ledger]')
    assert refusal(lambda: begin(tmp_path / "h", text, local=False)) == "key-not-found"
    monkeypatch.setenv("MOORING_WRAP_PEOPLE", "ab" * 32)
    begin(tmp_path / "h", text, local=False)
    with open_session(Home(tmp_path / "h")) as session:
        assert len(session.deployment.keys.names()) == 12
        assert session.policy("").rules
        for act in (
            lambda: session.create_key("spare", "p256"),
            lambda: session.import_key("spare", b""),
            lambda: session.rotate_key(session.deployment.actor("alice")),
        ):
            assert refusal(act) == "keys-read-only"
    assert not (tmp_path / "h" / "keys").exists()


def elsewhere(stages: Stages, folder: Path) -> str:
    """Return a configuration in which the lab and the auditor hold their own keys."""
    home = stages.copy("founded", folder / "elsewhere")
    with open_session(Home(home)) as session:
        text, keys = LOCAL, session.deployment.keys
        for organisation, member in (("lab", "bob"), ("auditor", "carol")):
            witness = next(w for w in session.trust().witnesses if w.organisation == organisation)
            lines = (
                f'attest_key = "{keys.public(f"{organisation}-attest").to_text()}"\nwitness_key = "{witness.vkey}"\n'
            )
            text = text.replace(f'name = "{organisation}"\n', f'name = "{organisation}"\n{lines}')
            account = f'name = "{member}", account = "{keys.address(member)}"'
            text = text.replace(f'name = "{member}"', account)
    assert load(home / "mooring.toml").threshold == tomllib.loads(text)["threshold"]
    return text


def test_a_deployment_whose_other_organisations_hold_their_own_keys_is_founded_and_waits_for_them(
    stages: Stages, tmp_path: Path
) -> None:
    text = elsewhere(stages, tmp_path)
    made, said = begin(tmp_path / "h", text)
    assert any("until these register their keys: lab, auditor" in line for line in said)
    assert not (tmp_path / "h" / "trust.json").exists()
    with open_session(Home(tmp_path / "h")) as session:
        keys, state = session.deployment.keys, session.deployment.follow()
        assert keys.names() == (
            "alice",
            "anchorer",
            "hospital-attest",
            "hospital-witness",
            "log-receipts",
            "log-records",
        )
        assert {keys.address("alice")} < set(state.members)
        assert len(state.members) == 3
        assert state.policies == {}
        assert session.update_trust() == ["lab", "auditor"]
        assert refusal(lambda: session.policy("")) == "unknown-policy"
    again, _ = begin(tmp_path / "h", text)
    assert again.contracts == made.contracts


def test_a_policy_vote_that_was_cast_before_is_not_an_error(stages: Stages, tmp_path: Path) -> None:
    text = elsewhere(stages, tmp_path)
    begin(tmp_path / "h", text)
    with open_session(Home(tmp_path / "h")) as session:
        events = len(session.deployment.events())
    begin(tmp_path / "h", text)
    with open_session(Home(tmp_path / "h")) as session:
        assert len(session.deployment.events()) == events


def test_keys_are_made_for_what_is_not_placed_elsewhere_and_never_twice(home: Path) -> None:
    config = load(home / "mooring.toml")
    keys = stores.open_keys(Home(home), config)
    before = {name: keys.public(name).keyid for name in keys.names()}
    founding.make_keys(keys, config)
    assert {name: keys.public(name).keyid for name in keys.names()} == before
    assert len(before) == 12
