"""How fast it is, next to others that do the same work on the same machine in the same run.

Law: a figure counts only as a ratio to a contender that was measured seconds before or after it; a contender that is not
installed is shown as such; every contender has to give the right results. See docs/design/performance.md.

    python -m benchmarks.run --quick      # a minute or two: does everything work?
    python -m benchmarks.run              # the whole table
"""
