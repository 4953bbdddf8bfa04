"""What travels between processes: blocks of messages, slices of work, receipts, failures.

Law: records and their encoding. No I/O, no user code, no knowledge of who sends and who receives.
"""
