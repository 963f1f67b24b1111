"""The examinations of `doctor`: this machine, the servers of the settings, and a running `up`.

`checks` runs them, for `doctor` and before `up` and `worker` start. How the findings are printed is in
`cli/commands/doctor.py`.
"""
