"""Routines of the scenarios, by theme. A worker process imports them by reference."""
