"""A code census of the installed Python's standard library.

About two thousand real source files are read, parsed and measured; functions that are near-duplicates of each other
are found across files; the findings become a table, a `census.json` and one HTML page. No download.

    python -m examples.code_census

The law of this package: `flow.py` and `__main__.py` are the only modules that know `routilux_dist`. `files`, `measure`,
`similar`, `tally` and `findings` are pure and are shared with `baseline.py`, which takes the same census by hand on a
`multiprocessing.Pool`.
"""
