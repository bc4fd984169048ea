"""A connection that sends for a user who signed in: signing in from the command line, and what it survives."""
