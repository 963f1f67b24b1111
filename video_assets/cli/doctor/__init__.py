"""What `doctor` examines: this machine, the servers behind the settings, and a running `up`.

`checks` runs the examinations and is what start-up asks too; the others say what is examined.
"""
