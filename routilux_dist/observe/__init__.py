"""What is going on, for people and programs.

Law: reads events, commands and states; changes nothing, and nothing waits for it.
"""
