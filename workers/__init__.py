"""Celery tasks and the work itself."""
