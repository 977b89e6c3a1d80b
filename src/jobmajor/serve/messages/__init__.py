"""Request bodies to titles, and answers to response bodies, as JSON, JSON lines or CSV."""
