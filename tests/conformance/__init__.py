"""Every scenario runs on the local backend and on Ray and has to end the same way.

Law: a test here states an outcome that a user can observe. It knows nothing of how a backend works,
and asserts no duration. Routines live in ``routines/``, where a worker process can import them.
"""
