"""HTTP on the wire: connections, request bodies, what each request passes, an orderly end."""
