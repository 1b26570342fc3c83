"""The schema of the database "quartet": keys and sign-in."""
