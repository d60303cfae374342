"""Tests, by the area of the code they hold to account; what several areas share is in ``conftest.py``."""
