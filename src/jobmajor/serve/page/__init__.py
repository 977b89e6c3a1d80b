"""The web page at `/` and the API documentation."""
