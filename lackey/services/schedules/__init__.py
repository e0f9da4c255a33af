"""Recurring schedules: by which runs are made again and again."""
