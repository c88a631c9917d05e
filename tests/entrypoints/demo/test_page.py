"""The demo's page: whole by itself, and nothing that is told can become markup."""

from __future__ import annotations

from html.parser import HTMLParser

from mooring.entrypoints.demo.page import render
from mooring.entrypoints.demo.story import Story
from mooring.proofs.report import Claim, Outcome, Report

EVIL = "<script>alert('x')</script>&\"'"


class Page(HTMLParser):
    """Tags as they open and close, and every reference to elsewhere."""

    VOID = ("meta", "br", "!doctype", "link", "img")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.references: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.references += [str(value) for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def page(*, outcome: Outcome = Outcome.PROVED, limits: tuple[str, ...] = ("a limit",)) -> str:
    story = Story("gas", lambda _: None)
    with story.step(f"A step {EVIL}"):
        story.tell(f"told {EVIL}", cost=21_000)
        story.refuse("refused rightly")
    claims = (
        Claim("registered", EVIL, outcome, f"says {EVIL}", f"root {EVIL}", (f"limit {EVIL}",)),
        *(Claim("receipt", f"log#{n}", Outcome.PROVED, f"answered {n}") for n in range(5)),
        Claim("answer", "log#1", Outcome.REFUTED, "these bytes", code="request-commitment"),
    )
    report = Report(claims, limits)
    lives = [("tumour@1", ["proposed", "approved", "active"]), ("tumour@2", ["active", "suspended"])]
    return render(story, report, lives, [(f"weights {EVIL}", "blob-corrupt")], [("3 ms", "to verify")])


def test_the_page_is_whole_by_itself() -> None:
    read = Page(page())
    assert read.open == []
    assert read.references == []
    assert "script" not in read.seen
    assert {"h1", "table", "style"} <= read.seen


def test_nothing_that_is_told_becomes_markup() -> None:
    text = page()
    assert "<script" not in text
    words = " ".join(Page(text).words)
    for told in (f"told {EVIL}", f"says {EVIL}", f"root {EVIL}", f"limit {EVIL}", f"weights {EVIL}"):
        assert told in words


def test_it_tells_claims_limits_lives_refusals_and_costs() -> None:
    words = " ".join(Page(page()).words)
    for told in ("proposed", "suspended", "21,000", "blob-corrupt", "3 ms", "to verify", "a limit", "refused rightly"):
        assert told in words
    assert "5" in words
    assert "refuted" in words


def test_what_is_not_proved_and_a_report_without_limits_are_shown_too() -> None:
    assert "not-proved" in page(outcome=Outcome.NOT_PROVED)
    assert Page(page(limits=())).open == []
