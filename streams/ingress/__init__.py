"""The webhook endpoint: verifies what Wix sends and answers 200 once Kafka has it."""
