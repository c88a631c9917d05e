"""Artifacts that cannot be registered: each a clear error, nothing kept, nothing logged."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.entrypoints.commandline import Cli
from tests.workflows.stage import DATA, onnx_model

from mooring.entrypoints.cli.artifacts import parse_metrics, parse_parameters
from mooring.errors import ConfigError

NOBODY = 65534


def empty_file(folder: Path) -> Path:
    (folder / "x").touch()
    return folder / "x"


def empty_folder(folder: Path) -> Path:
    (folder / "x").mkdir()
    return folder / "x"


def link_out(folder: Path) -> Path:
    (folder / "x").mkdir()
    (folder / "x" / "rows.csv").write_text("1\n")
    (folder / "x" / "passwd").symlink_to("/etc/passwd")
    return folder / "x"


def link_folder_out(folder: Path) -> Path:
    (folder / "x").mkdir()
    (folder / "x" / "rows.csv").write_text("1\n")
    (folder / "x" / "etc").symlink_to("/etc")
    return folder / "x"


def dangling(folder: Path) -> Path:
    (folder / "x").mkdir()
    (folder / "x" / "rows.csv").write_text("1\n")
    (folder / "x" / "gone").symlink_to("nowhere")
    return folder / "x"


def colliding(folder: Path) -> Path:
    (folder / "x").mkdir()
    for name in ("Rows.csv", "rows.csv"):
        (folder / "x" / name).write_text(name)
    return folder / "x"


def not_utf8(folder: Path) -> Path:
    (folder / "x").mkdir()
    (folder / "x" / "rows.csv").write_text("1\n")
    with open(os.fsencode(folder / "x") + b"/r\xf6ws.csv", "wb") as file:
        file.write(b"2\n")
    return folder / "x"


def control(folder: Path) -> Path:
    (folder / "x").mkdir()
    (folder / "x" / "a\nb.csv").write_text("1\n")
    return folder / "x"


def pipe(folder: Path) -> Path:
    (folder / "x").mkdir()
    (folder / "x" / "rows.csv").write_text("1\n")
    os.mkfifo(folder / "x" / "pipe")
    return folder / "x"


BAD: dict[str, tuple[Callable[[Path], Path], tuple[str, ...]]] = {
    "unknown": (lambda folder: folder / "nowhere", ("artifact-not-found",)),
    "empty file": (empty_file, ("artifact-empty",)),
    "empty folder": (empty_folder, ("artifact-empty",)),
    "link out of the folder": (link_out, ("artifact-link",)),
    "link to a folder outside": (link_folder_out, ("artifact-link",)),
    "link to nothing": (dangling, ("artifact-link", "artifact-not-found")),
    "colliding names": (colliding, ("resource-name-collision",)),
    "name that is not UTF-8": (not_utf8, ("artifact-name",)),
    "name with a control character": (control, ("artifact-name", "resource-name", "manifest")),
    "pipe": (pipe, ("artifact-kind",)),
}


@pytest.mark.parametrize("kind", sorted(BAD))
@pytest.mark.parametrize("verb", ["dataset", "model"])
def test_an_artifact_that_cannot_be_registered_is_refused_by_name(
    registered: Cli, tmp_path: Path, verb: str, kind: str
) -> None:
    make, codes = BAD[kind]
    path = make(tmp_path)
    before = registered.ok("log", "show")[0]["sequenced"], registered.ok("doctor")[4]["detail"]
    more = ("--dataset", DATA, "--code-commit", "c0ffee") if verb == "model" else ()
    problem = registered.json(verb, "register", path, "--name", "other@1", *more, as_="alice").problem
    assert problem["definite"]
    assert problem["hint"]
    assert problem["error"] in codes, problem
    assert (registered.ok("log", "show")[0]["sequenced"], registered.ok("doctor")[4]["detail"]) == before
    assert [row["version"] for row in registered.ok("model", "list")] == ["cells@1", "tumour@1"]


def test_a_link_inside_of_the_folder_is_registered_as_the_file_or_refused(registered: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    (folder / "rows.csv").write_text("1\n")
    (folder / "same.csv").symlink_to("rows.csv")
    done = registered.json("dataset", "register", folder, "--name", "other@1", as_="alice")
    assert done.code == 0 or done.problem["error"] == "artifact-link"


def test_the_folder_may_be_named_through_dots_and_its_files_keep_their_own_names(
    registered: Cli, tmp_path: Path
) -> None:
    folder = tmp_path / "x" / "y"
    folder.mkdir(parents=True)
    (folder / "rows.csv").write_text("1\n")
    plain = registered.ok("dataset", "register", folder, "--name", "plain@1", as_="alice")
    dotted = registered.ok("dataset", "register", folder / ".." / "y", "--name", "dotted@1", as_="alice")
    assert plain["manifest"] == dotted["manifest"]


def test_a_file_that_this_user_may_not_read_is_refused(registered: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "x"
    folder.mkdir()
    (folder / "secret.csv").write_text("1\n")
    (folder / "secret.csv").chmod(0)
    if os.geteuid() != 0:
        assert registered.refused("dataset", "register", folder, "--name", "other@1", as_="alice") == (
            1,
            "permission-denied",
        )
        return
    registered.ok("model", "list")  # everything is imported: another user may not read this Python's files
    with as_nobody(tmp_path):
        refused = registered.refused("dataset", "register", folder, "--name", "other@1", as_="alice")
    assert refused == (1, "permission-denied")


@contextmanager
def as_nobody(folder: Path) -> Iterator[None]:
    """Act as a user without rights, who owns the folder; root alone can."""
    for path in (folder, *folder.rglob("*")):
        if path.name != "secret.csv" and not path.is_symlink():
            os.chown(path, NOBODY, NOBODY)
    closed = [path for path in folder.parents if path.stat().st_mode & 0o111 != 0o111]
    modes = {path: path.stat().st_mode for path in closed}
    for path, mode in modes.items():
        path.chmod(mode | 0o111)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        for path, mode in modes.items():
            path.chmod(mode)


def test_a_file_that_changes_while_it_is_hashed_is_refused(
    registered: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mooring.storage import hashing

    path = tmp_path / "model.onnx"
    path.write_bytes(onnx_model() * 100)
    whole = hashing._blocks

    def growing(file, start, end, block=1 << 20):  # type: ignore[no-untyped-def]
        with path.open("ab") as more:
            more.write(b"more")
        yield from whole(file, start, end, block)

    with monkeypatch.context() as patched:
        patched.setattr(hashing, "_blocks", growing)
        words = ("dataset", "register", path, "--name", "other@1")
        assert registered.refused(*words, as_="alice") == (1, "artifact-changing")
    assert registered.ok("dataset", "register", path, "--name", "other@1", as_="alice")["new"]


def test_parameters_are_numbers_and_truths_where_they_read_so() -> None:
    given = ["C=1.5", "n=7", "deep=true", "flat=false", "kind=l2", "x=", "eq=a=b", "big=1e999", "no=nan", "neg=-3"]
    assert parse_parameters(given) == {
        "C": 1.5,
        "n": 7,
        "deep": True,
        "flat": False,
        "kind": "l2",
        "x": "",
        "eq": "a=b",
        "big": "1e999",
        "no": "nan",
        "neg": -3,
    }


@pytest.mark.parametrize("pair", ["", "x", "=1"])
def test_what_is_no_pair_is_refused(pair: str) -> None:
    for parse in (parse_parameters, parse_metrics):
        with pytest.raises(ConfigError) as caught:
            parse([pair])
        assert caught.value.code == "pair"


@pytest.mark.parametrize("value", ["", "good", "nan", "inf", "-inf", "1e999"])
def test_a_metric_is_a_number(value: str) -> None:
    assert parse_metrics(["auc=0.5"]) == {"auc": 0.5}
    with pytest.raises(ConfigError) as caught:
        parse_metrics([f"auc={value}"])
    assert caught.value.code == "metric"


@pytest.mark.parametrize("number", ["1" * 400, "9007199254740993", "0x10", "1_000", "٣"])
def test_a_parameter_that_json_cannot_hold_exactly_stays_text(number: str) -> None:
    assert parse_parameters([f"x={number}"]) == {"x": number}
