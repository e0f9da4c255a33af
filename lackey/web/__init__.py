"""The only Bottle: what comes over HTTP is read, checked, handed to a service, and the answer shown."""
