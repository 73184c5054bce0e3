"""The Flask front: HTTP API, pages, command line and Python client."""
