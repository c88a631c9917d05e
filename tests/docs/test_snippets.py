"""What the documentation shows is what happens: its commands are run, in order, in a folder of their own."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.docs.conftest import ROOT
from tests.docs.console import Shell, run, steps

README, GUIDE, OPERATIONS, EVIDENCE = (
    ROOT / name for name in ("README.md", "docs/guide.md", "docs/operations.md", "docs/evidence.md")
)


def test_commands_and_their_output_are_read_from_console_blocks_alone() -> None:
    text = "```sh\n$ no\n```\n```console\n$ one <<'E'\n> two\n>\n> E\nout\n$ three\n```\n$ four\n"
    assert [(step.command, step.shown) for step in steps(text)] == [("one <<'E'\ntwo\n\nE", ("out",)), ("three", ())]


@pytest.mark.parametrize(
    ("shown", "why"),
    [
        ("$ echo a; echo b\nb\na", "did not come: a"),
        ("$ echo abc\na…d", "did not come"),
        ("$ echo fine; false\nfine", "exit code 1"),
        ("$ echo 'error: no'\nerror: no", "exit code 0"),
    ],
)
def test_a_document_that_shows_something_else_is_refused(shown: str, why: str, tmp_path: Path) -> None:
    with Shell(tmp_path, {"PATH": "/usr/bin:/bin"}, 9) as fresh, pytest.raises(AssertionError, match=why):
        run(f"```console\n{shown}\n```\n", "page", fresh)


def test_a_session_keeps_its_variables_and_shows_only_what_is_asked(tmp_path: Path) -> None:
    text = "```console\n$ export A=1 && cd /\n$ echo one; echo $A$PWD; echo three\n1/\nt…e\n$ false\nerror: …\n```\n"
    with Shell(tmp_path, {"PATH": "/usr/bin:/bin"}, 9) as fresh:
        with pytest.raises(AssertionError, match="did not come: error"):
            run(text, "page", fresh)
        assert run(text.replace("$ false", "$ sh -c 'echo error: x; exit 3'"), "page", fresh) == 3


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_guide_happens_as_it_is_written(shell: Shell) -> None:
    assert run(GUIDE.read_text(), "docs/guide.md", shell) > 40


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_on_call_engineers_commands_work_on_the_guides_deployment(shell: Shell) -> None:
    assert run(OPERATIONS.read_text(), "docs/operations.md", shell) > 10


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_an_auditor_recomputes_what_the_evidence_page_says(shell: Shell) -> None:
    assert run(EVIDENCE.read_text(), "docs/evidence.md", shell) > 5


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_the_readme_session_happens_as_it_is_written(fresh_shell: Shell) -> None:
    assert run(README.read_text(), "README.md", fresh_shell) == 10
