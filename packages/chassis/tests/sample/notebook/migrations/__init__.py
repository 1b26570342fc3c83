"""The schema of the sample product."""
