"""What other services hear: the messages, the queue they wait in, and the ways out (Kafka, a file).

A message is put in by whoever changes the rows it tells of, in the same transaction.
"""
