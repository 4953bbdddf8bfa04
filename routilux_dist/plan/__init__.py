"""What will run: the frozen plan of a flow, and its pictures.

Law: frozen data that holds no user object, so that a coordinator can read it without any user code.
"""
