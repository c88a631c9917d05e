"""Which deployment is meant: the one given, the one in the environment, or the nearest above."""

from __future__ import annotations

from pathlib import Path

import pytest

from mooring.errors import ConfigError
from mooring.wiring.home import Home, find_home


def test_the_folder_given_wins_over_the_environment(tmp_path: Path) -> None:
    environment = {"MOORING_HOME": str(tmp_path / "b")}
    assert find_home(tmp_path / "a", environment) == Home(tmp_path / "a")
    assert find_home(None, environment) == Home(tmp_path / "b")


def test_a_relative_folder_starts_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_home(Path("x"), {}).path == tmp_path / "x"
    assert find_home(None, {"MOORING_HOME": "y"}).path == tmp_path / "y"


def test_the_nearest_founded_folder_above_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    (below / ".mooring").mkdir()
    monkeypatch.chdir(below)
    assert find_home(None, {}) == Home(below / ".mooring")
    (tmp_path / ".mooring").mkdir()
    (tmp_path / ".mooring" / "mooring.toml").touch()
    assert find_home(None, {"MOORING_HOME": ""}) == Home(tmp_path / ".mooring")


def test_a_folder_that_was_removed_meanwhile_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(ConfigError) as caught:
        find_home(None, {})
    assert caught.value.code == "no-folder"


def test_everything_of_a_deployment_lies_in_its_folder_unless_it_is_placed_elsewhere(tmp_path: Path) -> None:
    home = Home(tmp_path)
    inside = (
        home.config,
        home.contracts,
        home.keys,
        home.passphrase,
        home.secrets,
        home.index,
        home.outbox,
        home.policy,
        home.notes,
        home.trust,
        home.log("a/records"),
        home.witness("lab"),
        home.resolve("blobs"),
    )
    assert all(path.is_relative_to(tmp_path) for path in inside)
    assert len(set(inside)) == len(inside)
    assert home.resolve("/var/blobs") == Path("/var/blobs")
