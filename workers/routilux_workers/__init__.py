"""What runs inside a worker process: plain Python, testable without Ray.

Law: knows the data of `flow`, `wire`, `plan` and `errors`, nothing of coordinators, drivers or clients. A host holds a copy of a
group's routines; `Host.run(slice) -> Receipt` is the whole conversation.
"""

__version__ = "0.1.0"
