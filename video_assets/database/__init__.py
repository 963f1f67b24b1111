"""Access to the tables: engine, models, column types, upsert, migrations.

Queries and changes of rows are not here, but in the rooms that own the rows.
"""
