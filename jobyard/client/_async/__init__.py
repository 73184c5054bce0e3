"""`AsyncClient`, and what talks to a server for it."""
