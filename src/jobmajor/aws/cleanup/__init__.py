"""Finding and deleting everything that a project created in the account."""
