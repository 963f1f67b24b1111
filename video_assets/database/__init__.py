"""The tables as such: engine, models, types, upsert, migrations. Who owns which rows is said in the other rooms."""
