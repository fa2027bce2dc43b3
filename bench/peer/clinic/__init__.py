"""Patients, what was measured of them, and what is predicted."""
