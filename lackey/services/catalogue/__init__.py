"""Projects and applications."""
