"""What one correlation id did: steps found in logs and in Kafka, put into one time line."""
