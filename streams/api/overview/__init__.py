"""What the live page shows: sums over sites, series, times to recovery, the latest recoveries."""
