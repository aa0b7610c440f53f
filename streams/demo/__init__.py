"""Everything on one machine: embedded Kafka, simulated shops, live progress, final audit."""
