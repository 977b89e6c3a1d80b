"""Find and remove everything that a project made in the account."""
