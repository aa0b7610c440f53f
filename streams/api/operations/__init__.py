"""How the whole installation does: throughput, delay, lag, workers, dead letters."""
