"""The contracts of the topics: what is on the wire, for writers and subscribers."""
