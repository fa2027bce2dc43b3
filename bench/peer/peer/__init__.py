"""The classic stack, to measure ours beside: Django, gunicorn, Dramatiq, Redis, PostgreSQL."""
