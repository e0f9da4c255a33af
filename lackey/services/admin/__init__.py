"""What the service itself needs: keys, sessions, executors, its health, moving its database."""
