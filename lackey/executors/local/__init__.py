"""Runs on this host: `executor` is the scheduler's side, `launcher` and `guard` are processes of their own.

Both sides meet in the mark of a ticket (`tickets`), and nowhere else.
"""
