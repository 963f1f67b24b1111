"""What other services hear: the topics and the payloads that go over them."""
