"""The only SQL. Statements take a connection and values, and return values; `Database` gives the connection."""
