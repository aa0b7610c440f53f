"""What all benchmarks share: runs in turns, a check of each, and a report with its machine."""
