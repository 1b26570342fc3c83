"""What the products share: settings, databases, keys, sign-in, problems, pages and the server."""
