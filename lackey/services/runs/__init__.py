"""What users and simulations do with runs: make, change, cancel, report, look at; and how a run's state changes."""
