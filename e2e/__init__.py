"""End-to-end tests: they start programs and speak HTTP to them, and import none of the packages."""
