"""Real kills: a ledger runs on a Ray of its own while its processes die, and a verifier recomputes all of it afterwards."""
