"""Request bodies to titles, and answers to bodies: JSON, JSON lines, CSV."""
