"""The loop around the machine.

Law: obeys commands, decides nothing. `local/` and `cluster/` are its two bodies.
"""
