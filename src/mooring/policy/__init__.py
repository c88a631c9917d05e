"""May it happen: a decision from a policy and facts."""
