"""The read side: our own copy of every checkout and rate in a database, and its HTTP API."""
