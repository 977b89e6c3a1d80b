"""What overrules the score: titles of the user, listed titles, and when to abstain."""
