"""Every link inside the repository leads somewhere, and every page can be reached from the README."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.docs.conftest import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FENCED = re.compile(r"^(```+).*?^\1\s*$", re.DOTALL | re.MULTILINE)


def links(page: Path) -> Iterator[tuple[Path, str]]:
    """Yield (file, anchor) of every link of a page that stays in the repository."""
    for target in _LINK.findall(_FENCED.sub("", page.read_text())):
        if "://" not in target and not target.startswith("mailto:"):
            path, _, anchor = target.partition("#")
            yield (page.parent / path if path else page).resolve(), anchor


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub makes of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", _FENCED.sub("", page.read_text()), re.MULTILINE)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in headings)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_and_headings_that_are_there(page: Path) -> None:
    broken = [
        f"{path.name}#{anchor}"
        for path, anchor in links(page)
        if not path.exists() or (anchor and anchor not in anchors(path))
    ]
    assert broken == []


def test_a_broken_link_would_be_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A `b` c\n[x](other.md) [y](#a-b-c) [z](#gone)\n```\n[w](nothing.md)\n```\n")
    assert [(path.name, anchor) for path, anchor in links(page)] == [
        ("other.md", ""),
        ("page.md", "a-b-c"),
        ("page.md", "gone"),
    ]
    assert anchors(page) == {"a-b-c"}


def test_every_page_is_reached_from_the_readme() -> None:
    reached, waiting = set[Path](), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        waiting += [path for path, _ in links(page) if path.suffix == ".md" and path not in reached]
    assert [str(page.relative_to(ROOT)) for page in PAGES if page not in reached] == []


def test_every_decision_note_is_listed_with_its_own_title() -> None:
    listed = (ROOT / "docs/decisions/README.md").read_text()
    notes = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
    assert len(notes) > 6
    for note in notes:
        number, title = re.fullmatch(r"# (\d{4}) (.+)", note.read_text().splitlines()[0]).groups()  # type: ignore[union-attr]
        assert f"| [{number}]({note.name}) | {title} |" in listed


def test_the_picture_is_there_and_small() -> None:
    picture = (ROOT / "docs/images/demo.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 300_000
    assert 1000 <= int.from_bytes(picture[16:20], "big") <= 1400
