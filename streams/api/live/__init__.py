"""Tells pages that look what has changed, as server-sent events."""
