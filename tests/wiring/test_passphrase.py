"""The passphrase comes from the environment, a private file, or a person; never from a file that others may read."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from mooring.errors import ConfigError, StorageError
from mooring.wiring.home import Home
from mooring.wiring.passphrase import make_local, source


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    home = Home(tmp_path)
    make_local(home)
    assert source(home, {"MOORING_PASSPHRASE": "from outside"})() == "from outside"
    assert source(home, {"MOORING_PASSPHRASE": ""})() == home.passphrase.read_text().strip()


def test_the_local_file_is_made_once_random_and_private(tmp_path: Path) -> None:
    home = Home(tmp_path)
    make_local(home)
    first = home.passphrase.read_bytes()
    make_local(home)
    assert home.passphrase.read_bytes() == first
    assert len(first.strip()) >= 43
    assert home.passphrase.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_may_read_or_write_is_refused(tmp_path: Path, mode: int) -> None:
    home = Home(tmp_path)
    make_local(home)
    home.passphrase.chmod(mode)
    with pytest.raises(ConfigError) as caught:
        source(home, {})()
    assert (caught.value.code, caught.value.hint) == ("passphrase-exposed", f"chmod 600 {home.passphrase}")


def test_a_file_that_cannot_be_read_is_an_error_and_not_another_passphrase(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.passphrase.mkdir(mode=0o700)
    with pytest.raises(StorageError):
        source(home, {})()


def test_a_file_of_other_bytes_is_refused(tmp_path: Path) -> None:
    home = Home(tmp_path)
    make_local(home)
    home.passphrase.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError) as caught:
        source(home, {})()
    assert caught.value.code == "passphrase-format"


def test_a_person_is_asked_on_a_terminal_and_nobody_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

    with pytest.raises(ConfigError) as caught:
        source(Home(tmp_path), {})()
    assert caught.value.code == "passphrase-missing"
    assert "MOORING_PASSPHRASE" in caught.value.hint
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", lambda prompt: f"typed at {prompt}")
    assert source(Home(tmp_path), {})().startswith("typed at Passphrase")
