"""Where runs are launched, followed and ended: one protocol (`protocol`), a folder for each kind."""
