"""Operations that need the Dagster instance, for commands and sensors: cancel, delete, reconcile, compare, rebuild.

Those that need no Dagster belong into `library`.
"""
