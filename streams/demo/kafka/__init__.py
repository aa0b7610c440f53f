"""Apache Kafka as a child process: jars by a committed lock, Java, one broker or three."""

from streams.demo.kafka.broker import BrokerError, Jvm
from streams.demo.kafka.cluster import KafkaCluster
from streams.demo.kafka.embedded import EmbeddedKafka
from streams.demo.kafka.jars import JarsError
from streams.demo.kafka.java import JavaError

__all__ = ["BrokerError", "EmbeddedKafka", "JarsError", "JavaError", "Jvm", "KafkaCluster"]
