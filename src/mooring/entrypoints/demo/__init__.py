"""The main job: one model's whole life on a real ledger, told step by step."""
