"""What the scheduler does with runs: queue, claim, follow, and what it makes of silence."""
