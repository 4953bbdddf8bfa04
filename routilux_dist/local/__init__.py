"""The whole system in one process: the `local` backend.

Law: the same machine, plan and hosts as on a cluster; payloads are handed over, not encoded. No Ray.
"""
