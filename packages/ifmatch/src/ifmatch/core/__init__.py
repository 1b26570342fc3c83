"""The decision, with no input or output: values in, verdicts out."""
