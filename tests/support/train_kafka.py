"""Fetch Kafka's jars and train the cache that halves the cost of its starts, before the tests."""

import os

from cli.config.settings import cache_folder
from cli.embedded.kafka import KafkaOptions
from cli.embedded.kafka_aot_training import train
from cli.embedded.kafka_jars import JarCache
from cli.processes.stop_flag import StopFlag

if __name__ == "__main__":
    cache = cache_folder(os.environ)
    JarCache(cache).ensure(print)
    if not train(cache, KafkaOptions(), StopFlag()):
        print("Kafka could not be trained: its starts take longer")
