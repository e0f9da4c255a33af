"""Sweeps: many runs of one application, made, changed, cancelled and run again as one."""
