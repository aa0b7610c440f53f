"""What checkouts and rates mean: pure functions on frozen values, no clock, no I/O."""
