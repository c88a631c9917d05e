"""The policy that a new deployment starts with."""

from __future__ import annotations

__all__ = ["DEFAULT_POLICY"]

DEFAULT_POLICY = """\
// Serving: anyone may ask an active version, for a purpose and from a place that its deployment names.

@id("callers-may-infer")
permit (principal, action == Action::"infer", resource);

@id("only-active-versions-serve")
forbid (principal, action == Action::"infer", resource)
unless { resource.status == "active" };

@id("purpose-of-the-deployment")
forbid (principal, action == Action::"infer", resource)
unless { resource.purposes.contains(context.purpose) };

// A deployment that names no jurisdiction serves everywhere.
@id("jurisdiction-of-the-deployment")
forbid (principal, action == Action::"infer", resource)
unless { resource.jurisdictions.isEmpty() || resource.jurisdictions.contains(context.jurisdiction) };

// Training: known callers, for a purpose that the asset names, never on what was revoked.

@id("known-callers-train-for-its-purposes")
permit (principal, action == Action::"train", resource)
when { principal.authenticated && resource.purposes.contains(context.purpose) };

@id("revoked-versions-are-not-trained-on")
forbid (principal, action == Action::"train", resource)
when { resource.status == "revoked" };

// Activating: known callers, only what the quorum approved.

@id("known-callers-activate")
permit (principal, action == Action::"activate", resource)
when { principal.authenticated };

@id("only-approved-versions-activate")
forbid (principal, action == Action::"activate", resource)
unless { resource.status == "approved" && resource.approvals >= 1 };
"""
