"""What lackey knows about runs, without a database, a network or a process in sight."""
