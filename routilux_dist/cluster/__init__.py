"""The driver on Ray: coordinator actor, hosts, tasks.

Law: the only room that imports Ray. Thin: it turns commands into remote calls and completions into events, and decides nothing.
Ray's own retries are off; results travel only as returns of calls that the coordinator made.
"""
