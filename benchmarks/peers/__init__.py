"""Other ways to do the same work.

Each module of a library that maps has `open_map(functions, warm)`: a context manager that yields a function from items to the
list of their results, each item having gone through all functions. It is warm when it is yielded.
"""
