"""Exactly-once Faust on librdkafka. Knows Faust and Kafka, nothing of checkouts."""
