"""HTTP: the connection protocol, request bodies, the middleware of every request, and shutdown."""
