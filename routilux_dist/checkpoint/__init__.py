"""Bytes in, bytes out: the journal of a run, its snapshots and blobs, and the stores they lie in.

Law: knows no job, no flow and no value; what a record means is its writer's affair. Nothing that was read is trusted before its
check has been recomputed, and nothing is acknowledged before it would survive the loss of every process.
"""
