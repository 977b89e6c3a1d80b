"""What stands above the score: a user's own titles, listed titles, and when to abstain."""
