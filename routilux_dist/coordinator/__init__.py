"""The job machine: `Machine.handle(*events, now=...) -> commands`.

Law: pure. No clock, randomness, log, thread, asyncio or Ray; no user code, no payload is opened. Whoever owns a machine feeds it
events, in the past tense, and carries out its commands, in the imperative.
"""
