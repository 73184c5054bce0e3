"""The Flask front: HTTP API and pages."""
