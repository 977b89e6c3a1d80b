"""The web page at `/` and the API's documentation."""
