"""Walking an artifact: nothing leads out of it, and what has no bytes or no usable name is refused by name."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from mooring.errors import MooringError, NotFoundError, StorageError
from mooring.storage.hashing import hash_tree
from mooring.storage.tree import Tree


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A small artifact in a folder of its own, with a secret outside it."""
    folder = tmp_path / "model"
    (folder / "tokenizer").mkdir(parents=True)
    (folder / "weights.onnx").write_bytes(b"weights")
    (folder / "tokenizer" / "vocab.txt").write_bytes(b"vocab")
    (tmp_path / "secret").write_bytes(b"secret")
    return folder


def refused(path: Path, code: str, names: str) -> MooringError:
    """Hash, expect a refusal with that code which names that file, and return it."""
    with pytest.raises(MooringError) as caught:
        hash_tree(path)
    assert caught.value.code == code
    assert names in caught.value.message
    assert caught.value.hint
    return caught.value


def test_every_file_is_found_by_its_path_inside(model: Path) -> None:
    with Tree(model) as tree:
        assert sorted(tree.files()) == [("tokenizer/vocab.txt", 5), ("weights.onnx", 7)]
        assert not tree.is_file


def test_one_file_is_an_artifact_too(model: Path) -> None:
    with Tree(model / "weights.onnx") as tree:
        assert tree.files() == (("weights.onnx", 7),)
        assert tree.is_file


def test_the_artifact_itself_may_be_named_through_a_link(model: Path) -> None:
    (model.parent / "latest").symlink_to(model)
    assert hash_tree(model.parent / "latest") == hash_tree(model)


@pytest.mark.parametrize(
    "target", ["../secret", "/etc/passwd", "../model/weights.onnx", "weights.onnx", "nowhere", ".."]
)
def test_a_link_inside_is_refused_wherever_it_points(model: Path, target: str) -> None:
    (model / "link").symlink_to(target)
    refused(model, "artifact-link", "'link'")


def test_a_link_in_a_subfolder_is_named_with_its_folder(model: Path) -> None:
    (model / "tokenizer" / "link").symlink_to("../../secret")
    refused(model, "artifact-link", "'tokenizer/link'")


def test_a_loop_of_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(StorageError):
        Tree(tmp_path / "a")


def test_a_file_that_vanishes_after_the_walk_is_changing(model: Path) -> None:
    with Tree(model) as tree:
        tree.files()
        (model / "weights.onnx").unlink()
        with pytest.raises(StorageError) as caught, tree.open("weights.onnx", 7):
            pass
    assert caught.value.code == "artifact-changing"


def test_a_folder_swapped_for_a_link_after_the_walk_leads_nowhere(model: Path) -> None:
    (model.parent / "elsewhere").mkdir()
    (model.parent / "elsewhere" / "vocab.txt").write_bytes(b"other")
    with Tree(model) as tree:
        tree.files()
        (model / "tokenizer").rename(model.parent / "old")
        (model / "tokenizer").symlink_to(model.parent / "elsewhere")
        with pytest.raises(StorageError), tree.open("tokenizer/vocab.txt", 5):
            pass


def test_a_file_swapped_for_a_link_or_a_pipe_after_the_walk_is_refused(model: Path) -> None:
    weights = model / "weights.onnx"
    with Tree(model) as tree:
        tree.files()
        weights.unlink()
        weights.symlink_to("../secret")
        with pytest.raises(StorageError) as caught, tree.open("weights.onnx", 7):
            pass
        assert caught.value.code == "symlink"
        weights.unlink()
        os.mkfifo(weights)
        with pytest.raises(StorageError) as caught, tree.open("weights.onnx", 7):
            pass
        assert caught.value.code == "artifact-changing"


def test_a_pipe_a_socket_and_a_device_are_refused(model: Path) -> None:
    os.mkfifo(model / "pipe")
    refused(model, "artifact-kind", "'pipe'")
    (model / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(model / "socket"))
        refused(model, "artifact-kind", "'socket'")
    (model / "socket").unlink()
    refused(Path("/dev/null"), "artifact-kind", "/dev/null")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (b"caf\xe9", "not UTF-8"),
        ("cafe\u0301".encode(), "NFC"),
        (b"new\nline", "control character"),
        (b"back\\slash", "separator"),
        (b"C:", "separator"),
    ],
)
def test_a_name_that_is_not_the_same_everywhere_is_refused(model: Path, name: bytes, says: str) -> None:
    Path(os.fsdecode(os.fsencode(model) + b"/" + name)).write_bytes(b"x")
    assert says in refused(model, "artifact-name", "model").message


@pytest.mark.parametrize(("one", "other"), [("Readme", "README"), ("straße", "STRASSE"), ("é", "É")])
def test_names_that_collide_where_case_is_ignored_are_refused(model: Path, one: str, other: str) -> None:
    (model / one).write_bytes(b"1")
    assert hash_tree(model)
    (model / other).write_bytes(b"2")
    refused(model, "resource-name-collision", one)


def test_a_missing_artifact_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError) as caught:
        hash_tree(tmp_path / "nowhere")
    assert caught.value.code == "artifact-not-found"


def test_an_artifact_without_bytes_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, "artifact-empty", str(tmp_path))
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "empty").write_bytes(b"")
    refused(tmp_path, "artifact-empty", str(tmp_path))
    refused(tmp_path / "folder" / "empty", "artifact-empty", "empty")
    (tmp_path / "one").write_bytes(b"1")
    assert len(hash_tree(tmp_path).resources) == 2


def test_folders_nested_without_end_are_refused(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * 99)
    deep.mkdir(parents=True)
    (deep / "file").write_bytes(b"x")
    assert hash_tree(tmp_path)
    (deep / "e" / "f").mkdir(parents=True)
    refused(tmp_path, "artifact-depth", str(tmp_path))


def test_an_unreadable_file_is_named(model: Path) -> None:
    """In a process without root's privileges, which would pass over the modes."""
    script = """
        import os
        from pathlib import Path
        from mooring.errors import StorageError
        from mooring.storage.hashing import hash_tree

        if os.getuid() == 0:
            os.setuid(65534)
        for path in ("model", "model/weights.onnx"):
            try:
                hash_tree(Path(path))
            except StorageError as error:
                print(error.code, error.message)
    """
    model.parent.chmod(0o755)
    (model / "weights.onnx").chmod(0)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], cwd=model.parent, capture_output=True, text=True, check=True
    )
    line = "permission-denied could not read model/weights.onnx: Permission denied\n"
    assert done.stdout == line * 2
