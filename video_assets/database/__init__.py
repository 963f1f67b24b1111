"""The tables: what they are, and one module for each owner of rows."""
