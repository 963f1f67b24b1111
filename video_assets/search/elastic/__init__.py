"""Search in Elasticsearch: mapping, queries, the names of indices, and the client."""
