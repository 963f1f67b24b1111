"""The outbox: the messages to other services, the queue in the tables, and the publishers (Kafka, a file).

Code that changes rows adds the message about it in the same transaction. That code is not here: it is in `intake`,
`projection` and `library`. Nor is reading messages of other services, which is in `intake`.
"""
