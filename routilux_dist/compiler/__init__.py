"""Flow -> plan, by a tuple of pure passes.

Law: each pass is a function of a draft to a draft; every decision that keeps routines apart carries its reason.
No Ray, no clock, no user code is called beyond looking at it.
"""
