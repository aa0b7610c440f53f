"""The final audit: recomputes from the log what must have been published, and compares.

It shares no function with ``streams.domain`` or ``schemas``: another formulation of the same
design, set by set instead of event by event, so that a mistake would have to be made twice.
"""
