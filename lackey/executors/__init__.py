"""Where runs are launched, followed and ended: one protocol (`base`), one module for each place."""
