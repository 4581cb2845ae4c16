"""Schedules in the project's database."""
