"""What dev.py and the tests of every member share.

For tests: a real PostgreSQL, a closed network, a browser if there is one. For dev.py: the
summary it closes with, and the rules for what is committed. Nothing here needs pytest.
"""
