"""How web serves its connections: a worker class for gunicorn whose threads never wait without a limit."""
