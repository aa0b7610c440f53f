"""What stands between the domain and the outside: Kafka, JSON, logs, metrics, files."""
