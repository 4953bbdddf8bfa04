"""The command line.

Law: everything said here can be said in Python, and goes through `client/`; results go to standard output and nothing else does;
nothing is imported before a command needs it.
"""
