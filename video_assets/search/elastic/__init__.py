"""The search index in Elasticsearch: mapping, queries, names of indices, and client."""
