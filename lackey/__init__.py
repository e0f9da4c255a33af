"""lackey schedules, launches, follows and records the runs of simulations."""

__version__ = "0.1.0"
