"""What the user says: routines, ports, activation, merging, state, error handling, the graph.

Law: pure data and rules. Nothing here runs a flow, reads a clock, starts a thread, does I/O or knows Ray.
"""
