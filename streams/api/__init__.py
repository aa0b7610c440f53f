"""The read side: a process that keeps its own copy of all checkouts and answers for it."""
