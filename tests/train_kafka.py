"""Before the tests: Kafka's jars, and the cache that makes its starts cheap. Without it they take longer."""

import os

from cli.embedded.aot_training import train
from cli.embedded.jars import JarCache
from cli.embedded.kafka import KafkaOptions
from cli.processes.signals import StopFlag
from cli.settings import cache_folder

if __name__ == "__main__":
    cache = cache_folder(os.environ)
    JarCache(cache).ensure(print)
    if not train(cache, KafkaOptions(), StopFlag()):
        print("Kafka could not be trained: tests go on without")
