"""Why a stranger believes it: everything that verifies offline, and nothing that reaches outside."""
