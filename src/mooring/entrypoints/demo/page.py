"""The demo's summary as one HTML page: no script, nothing loaded from anywhere, light and dark, screen and print."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from mooring.entrypoints.demo.story import Step, Story
from mooring.proofs.report import Claim, Outcome, Report

__all__ = ["render"]

_FIRST = ("registered", "approved", "status", "manifest")
_SUMMED = {"attestation": "attestations", "final": "final blocks", "receipt": "receipts", "answer": "answers"}
_STYLE = """
:root{color-scheme:light dark;--ink:#16202a;--dim:#5b6b7a;--paper:#fff;--card:#f5f7f9;--line:#dbe2e8;--good:#0b7a4b;
--bad:#b3261e;--open:#8a5a00;--accent:#14508c}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--dim:#9aa8b5;--paper:#0f151b;--card:#18212a;--line:#2b3743;
--good:#4cc38a;--bad:#ff8a80;--open:#e0b050;--accent:#7cb7f2}}
*{box-sizing:border-box}body{margin:0 auto;max-width:62rem;padding:2rem 1rem 4rem;background:var(--paper);
color:var(--ink);font:16px/1.5 system-ui,sans-serif}
h1{font-size:1.7rem;margin:0 0 .25rem}h2{font-size:1.15rem;margin:2.2rem 0 .7rem}p{margin:.3rem 0}
.dim{color:var(--dim)}.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.8rem;
margin:1.4rem 0}.figure{background:var(--card);border:1px solid var(--line);border-radius:.5rem;padding:.7rem .9rem}
.figure b{display:block;font-size:1.45rem}.life{display:flex;flex-wrap:wrap;gap:.3rem;align-items:center}
.life span{padding:.2rem .65rem;border-radius:1rem;background:var(--card);border:1px solid var(--line)}
.life .bad{color:var(--bad);border-color:var(--bad)}.life .good{color:var(--good);border-color:var(--good)}
table{border-collapse:collapse;width:100%;min-width:46rem;font-size:.92rem}
th,td{text-align:left;padding:.4rem .6rem;vertical-align:top;
border-bottom:1px solid var(--line)}th{color:var(--dim);font-weight:600}td.n{text-align:right;white-space:nowrap;
font-variant-numeric:tabular-nums}.wrap{overflow-x:auto}.proved{color:var(--good)}.refuted{color:var(--bad)}
.not-proved{color:var(--open)}ul{margin:.2rem 0;padding-left:1.1rem}code{font-size:.88em;overflow-wrap:anywhere}
td:nth-child(2){overflow-wrap:anywhere;min-width:20rem}td:nth-child(3) code{display:inline-block;min-width:11rem}
@media print{body{max-width:none;padding:0}.figure,.life span{break-inside:avoid}tr{break-inside:avoid}}
"""


def render(
    story: Story,
    report: Report,
    lives: Sequence[tuple[str, Sequence[str]]],
    refusals: Sequence[tuple[str, str]],
    figures: Sequence[tuple[str, str]],
) -> str:
    """Return the page.

    `lives` are (version, statuses in order), `refusals` (what was changed, the reason given), `figures` (value, what
    it is).
    """
    return "".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width,initial-scale=1">',
            f"<title>Mooring: one model's whole life</title><style>{_STYLE}</style></head><body>",
            "<h1>One model's whole life, with its evidence</h1>",
            '<p class="dim">Every figure on this page was measured in the run that wrote it.</p>',
            '<div class="figures">',
            *(f'<div class="figure"><b>{escape(value)}</b>{escape(name)}</div>' for value, name in figures),
            "</div><h2>Status on the ledger</h2>",
            *(_life(name, statuses) for name, statuses in lives),
            "<h2>What a stranger verified, without network</h2>",
            _claims(report.claims),
            _limits(report),
            "<h2>One byte changed, and the reason it was refused</h2>",
            _rows(("Changed", "Refused because"), [(escape(a), escape(b)) for a, b in refusals]),
            "<h2>Step by step</h2>",
            _steps(story.steps, story.unit),
            "</body></html>\n",
        )
    )


def _life(name: str, statuses: Sequence[str]) -> str:
    marks = {"active": "good", "suspended": "bad", "revoked": "bad"}
    chain = " → ".join(f'<span class="{marks.get(word, "")}">{escape(word)}</span>' for word in statuses)
    return f'<p><b>{escape(name)}</b></p><div class="life">{chain}</div>'


def _claims(claims: Sequence[Claim]) -> str:
    """The claims about versions first; what comes many times over is summed."""
    first = [claim for name in _FIRST for claim in claims if claim.name == name]
    rest = [claim for claim in claims if claim.name not in (*_FIRST, *_SUMMED)]
    rows = [_claim(claim) for claim in (*first, *rest)]
    for name, plural in _SUMMED.items():
        rows += _summed(plural, [claim for claim in claims if claim.name == name])
    return _rows(("Outcome", "Claim", "Proved from", "Not proved"), rows)


def _claim(claim: Claim) -> tuple[str, ...]:
    limits = "".join(f"<li>{escape(limit)}</li>" for limit in claim.limits)
    return (
        f'<span class="{claim.outcome}">{claim.outcome}</span>',
        f"<b>{escape(claim.name)}</b> {escape(claim.says)}<br><code class='dim'>{escape(claim.about)}</code>",
        f"<code>{escape(claim.root)}</code>",
        f"<ul>{limits}</ul>" if limits else "",
    )


def _summed(plural: str, claims: Sequence[Claim]) -> list[tuple[str, ...]]:
    """One row for many claims of a kind, with the worst outcome among them."""
    if not claims:
        return []
    worst = next((c for c in claims if c.outcome is not Outcome.PROVED), claims[0])
    proved = sum(claim.outcome is Outcome.PROVED for claim in claims)
    outcome, _, root, limits = _claim(worst)
    return [(outcome, f"<b>{proved} of {len(claims)} {plural}</b><br>such as: {escape(worst.says)}", root, limits)]


def _limits(report: Report) -> str:
    if not report.limits:
        return ""
    items = "".join(f"<li>{escape(limit)}</li>" for limit in report.limits)
    return f'<p class="dim">And of the whole:</p><ul class="dim">{items}</ul>'


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    titles = "".join(f"<th>{escape(title)}</th>" for title in head)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wrap"><table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table></div>'


def _steps(steps: Sequence[Step], unit: str) -> str:
    rows = []
    for step in steps:
        marks = {"refused": '<span class="refuted">✗</span> '}
        items = "".join(f"<li>{marks.get(line.kind, '')}{escape(line.text)}</li>" for line in step.lines)
        seconds = f'<span style="white-space:nowrap">{step.seconds:.2f} s</span>'
        rows.append((str(step.number), f"<b>{escape(step.title)}</b><ul>{items}</ul>", seconds, f"{step.gas:,}"))
    return _rows(("", "Step", "Time", unit.capitalize()), rows)
