"""The stream processor: two Faust agents and the process that keeps them running."""
